const __HERE__=import.meta.url;export const version="1.0.0";export function use(given){let part;
var A={pickIntro:"Choose the song that you want to update.",seeIntro:"Choose a song to see its versions, and download what belongs to each.",search:"Search by title",songCount:"one={n} song|other={n} songs",nr:"No. {n}",versionNr:"Version {n}",more:"Show more songs",noSongs:"You have not registered a song here yet.",noSongsText:"Songs that you register while you are signed in appear here. A song with an access code is opened with that code.",noMatch:"No song title contains this text.",needSong:"Please choose a song.",see:"Show the versions",seeText:"Oldest first. Each version keeps its own proof.",getAudio:"Download the recording",noAudio:"This recording is not kept here. The proof is still valid.",toSongs:"Back to your songs",updIntro:"Enter the access code that you saved when you registered the song.",codeField:"Access code",codeHint:"The code begins with atc_. Paste the code as you saved it.",find:"Find my song",lostCode:"I have lost my code",lostText:"Look among your downloads for a file named access-code-….txt. No one can show or replace a code: only its hash is kept. Your registration stays valid without the code. This site’s owner can still get you the certificate.",workIntro:"Your changes become a new version. Everything registered before stays as it is.",newFile:"New recording (optional)",keptFile:"Registered recording",keptHint:"Without a new file, the registered recording stays.",keepFile:"Keep the registered recording",sameFile:"same recording",newRec:"new recording",added:"added",changed:"changed",removed:"removed",nothingNew:"Nothing has changed. If you confirm, the same song is registered again as version {n}.",moved:"This song was updated in the meantime. Please check the song again."};var _=given[12];var E=given[21];var N=given[5];var R=given[6],we=given[27];var f=given[7];var $=given[8],ke=given[28];var O=given[9];var W=given[10];var F=given[11];var ie=20,re=250,V=o=>typeof o=="object"&&o!==null?o:{},w=o=>typeof o=="string"?o:"",L=(o,e)=>{if(!Array.isArray(o[e]))throw f(e);return o[e].map(V)},k=class{list=[];total;next="";search="";answered="";chosen;versions=[];people=new Map;files=new Map;file;#e;#s;#i;#t;#o="list";#r=0;#d=!0;#a=!1;#n=new AbortController;constructor(e,t,s,n){this.#e=e,this.#s=t,this.#i=s,this.#t=n}get listed(){return this.#e.state.step==="works"}get now(){return this.#s.now()}stop(){this.#n.abort(),this.#n=new AbortController,this.files.clear(),this.people.clear(),this.file=void 0}async open(e){if(this.#d&&this.#e.tokens.expect(!1),this.#d=!1,this.#o==="work"&&this.chosen)return this.#p(this.chosen,e);let t=this.#o==="more"&&this.next,s,n,i;do await this.#s.sleep(this.#r,e),this.#r=0,s=this.search.trim(),[n,i]=await this.#h(s,t||"",e);while(s!==this.search.trim());e.throwIfAborted();let a=V(n.page_info);return this.total=n.total_count,this.next=a.has_next_page===!0?w(a.end_cursor):"",this.#o="list",this.#l(t?[...this.list,...i.filter(d=>!this.list.some(l=>l.id===d.id))]:i),this.answered=s,"works"}#l(e){let t=this.#t.focused(),s=this.list.findIndex(l=>this.chosen?l.id===this.chosen.id:`work-${l.atsId}`===t),n=this.list[s],i=[...e];n&&!i.some(l=>l.id===n.id)&&i.splice(Math.min(s,i.length),0,n);let a=i[this.list.length];this.list=i;let d=t==="more"&&!this.next;a&&(this.#a||d)?(this.#t.focus(`work-${a.atsId}`),d||(this.chosen=a)):/^work-/.test(t)?this.#t.focus(t):d&&this.#t.focus("next"),this.#a=!1}async#h(e,t,s){let n=new URLSearchParams({network:this.#i.network,first:String(ie)});e&&n.set("search",e),t&&n.set("after",t);let{tokens:i}=this.#e;for(let a=2;;a--){let d=i.value,l,x;try{l=await this.#e.read(`/v1/works?${n}`,{total_count:"number"},s),x=L(l,"works");let p=y=>typeof y.external_user_ref=="string"&&y.external_user_ref!==this.#i.externalUserId;if(x.some(p))throw new R("common.forbidden")}catch(p){if(!a||$(p).code!=="common.forbidden")throw p;(!d||i.value===d)&&i.clear();continue}let se=x.map((p,y)=>{let{id:C,ats_id:P,title:S,latest_version:I}=p;if(typeof C!="string"||typeof P!="number"||typeof S!="string"||typeof I!="number")throw f(`works[${y}]`);return{id:C,atsId:P,title:S,version:I,at:Date.parse(w(p.latest_version_at))}});return[l,se]}}async#p(e,t){let s=await this.#e.read(`/v1/works/${e.atsId}/versions`,{ats_id:"number"},t),n=L(s,"versions").map((d,l)=>{if(typeof d.version!="number")throw f(`versions[${l}]`);return{version:d.version,at:Date.parse(w(d.registered_at)),filename:w(d.asset_filename)}}),i=n.at(-1);if(!i)throw f("versions");let a=await this.#c(e,i.version,t);return this.#e.state.mode!=="download"?{code:"",atsId:e.atsId,title:e.title,version:i.version,filename:i.filename,creators:a}:(this.stop(),this.versions=n,this.people.set(i.version,a),"song")}async#c(e,t,s){let n=await this.#e.read(`/v1/works/${e.atsId}/versions/${t}/creators`,{version:"number"},s);return O(n.creators)}type(e,t=!1){this.search=e,this.chosen=void 0,this.#o="list",this.#r=t?0:re,this.#e.state.notice!=="token"&&this.#e.resume("open")}more(e){!this.next||this.#o==="more"||(this.#o="more",this.#a=e,this.#e.resume("open"))}choose(e){this.chosen=e,this.#e.dispatch({type:"draft",path:"work",draft:{}})}pick(){if(!this.chosen)return this.#e.dispatch({type:"invalid",errors:{work:{key:"needSong"}}});this.#o="work",this.#e.resume("open")}back(){this.stop(),this.#t.focus(`work-${this.chosen?.atsId}`),this.#e.dispatch({type:"step",step:"works"})}async show(e){if(!this.chosen||this.people.has(e))return;let t=this.#n.signal;this.people.set(e,void 0);try{let s=await this.#c(this.chosen,e,t);this.people.set(e,s),this.#t.changed()}catch(s){t.aborted||this.#e.fail(s)}}async get(e,t){let s=this.chosen,n=`${t}-${e}`;if(!s||/busy|waiting/.test(this.files.get(n)?.state??""))return;let i=this.#n.signal,a=d=>{this.file=d,this.files.set(n,d),this.#t.changed()};a({state:"busy"});try{let d=`/v1/works/${encodeURIComponent(s.id)}/versions/${e}/download/${t}`;await N(()=>this.#e.read(d,{url:"string"},i),()=>a({state:"waiting"}),this.#s,i),a({state:"begun"})}catch(d){if(i.aborted)return;let l=$(d);if(!ae(l)){this.#e.fail(d);return}a({state:"refused",problem:l}),this.#e.report(l,t)}}},ae=({code:o})=>/^(work|common|registration)\./.test(o)&&!/^(work\.not_found|common\.forbidden)$/.test(o)&&/^(404|409|410|422)$/.test(String(F[o].status));var b=given[17];var u=given[18];var H=given[19],m=given[20];var r=given[0];var c=given[1];var v=given[2];var D=given[3];var h=given[4];var g=given[15];var U=(o,{t:e})=>{let t=o.total??0;return t?o.next?e("sent",{loaded:o.list.length,total:t}):e("songCount",{n:t}):o.answered?e("noMatch"):e("noSongs")},j=(o,e)=>o.total===void 0?e.t("opening"):U(o,e);function M(o,e){let t=o.texts.t,s=o.state.mode==="download",n=e.total===void 0,i=e.total===0&&!e.answered&&!e.search;return r`
    <form class="stack" novalidate data-ats="form-works" @submit=${m(()=>e.pick())}>
      <div class="stack tight">
        ${u(t(s?"songs":"updHeading"))}
        ${i?r`<p class="soft" data-ats="none">${t("noSongs")} ${t("noSongsText")}</p>`:r`<p class="soft">${t(s?"seeIntro":"pickIntro")}</p>`}
      </div>
      ${n||i?c:r`${de(o,e)} ${le(o,e)}`}
      ${n?r`<progress aria-label=${t("opening")} data-ats="progress" part="progress"></progress>`:c} ${g(o)}
      ${n||!i&&!e.list.length?c:r`<div class="acts">
            ${i?r`<button type="button" data-ats="look" @click=${()=>e.type("",!0)}>${t("check")}</button>`:r`<button class="main" part="button" data-ats="next">${t(s?"see":"next")}</button>`}
          </div>`}
    </form>
  `}var de=(o,e)=>r`
  <div class="stack tight">
    <label for="search">${o.texts.t("search")}</label>
    <input
      id="search"
      data-ats="search"
      type="search"
      dir="auto"
      maxlength="200"
      autocomplete="off"
      enterkeyhint="search"
      aria-controls="works"
      .value=${e.search}
      @input=${t=>e.type(t.target.value)}
      @keydown=${t=>{t.isComposing||(t.key==="Enter"?(t.preventDefault(),e.type(e.search,!0)):t.key==="ArrowDown"&&e.list[0]&&(t.preventDefault(),ce(t,e.chosen??e.list[0])?.focus()))}}
    />
  </div>
`,ce=(o,e)=>o.target.getRootNode().querySelector(`[data-ats="work-${e.atsId}"]`);function le(o,e){let t=o.texts.t,{opening:s}=o.state,n=e.total||e.list.length?U(e,o.texts):t("noMatch");return r`
    <div class="stack tight">
      <fieldset
        id="works"
        class="works ${s?"stale":""}"
        data-ats="works"
        aria-busy=${s}
        aria-describedby=${o.state.errors.work?"e-work":c}
        @keydown=${i=>{i.key!=="ArrowDown"||!e.next||i.target.value!==e.list.at(-1)?.id||(i.preventDefault(),e.more(!0))}}
      >
        <legend>${t("songs")} <span class="small" data-ats="count">${n}</span></legend>
        ${b(o,"work")}
        ${e.list.map(i=>r`<label>
            <input
              type="radio"
              name="work"
              data-ats=${`work-${i.atsId}`}
              value=${i.id}
              .checked=${i.id===e.chosen?.id}
              aria-invalid=${o.state.errors.work?"true":c}
              @change=${()=>e.choose(i)}
            />
            <span
              ><b><bdi>${h(i.title)}</bdi></b>
              <span class="small">${t("nr",{n:String(i.atsId)})} · ${t("versionNr",{n:i.version})} · ${v(o.texts,i.at)}</span></span
            >
          </label>`)}
      </fieldset>
      ${e.next?r`<button type="button" data-ats="more" @click=${()=>e.more(!1)}>${t("more")}</button>`:c}
    </div>
  `}var Y=given[13],z=given[14];var B=given[16];function q(o){let{state:e,flow:t}=o,s=o.texts.t,n=i=>t.dispatch({type:"draft",path:"access_code",draft:{code:i}});return r`
    <form class="stack" novalidate data-ats="form-code" aria-busy=${e.opening} @submit=${m(()=>t.open())}>
      <div class="stack tight">
        ${u(s("updHeading"))}
        <p class="soft">${s("updIntro")}</p>
      </div>
      <div class="stack tight">
        <label for="access_code">${s("codeField")}</label>
        <textarea
          id="access_code"
          data-ats="access_code"
          class="mono"
          dir="ltr"
          rows="3"
          maxlength="500"
          autocomplete="off"
          autocapitalize="none"
          spellcheck="false"
          .value=${e.code}
          ?readonly=${e.opening}
          aria-invalid=${H(o,"access_code")}
          aria-describedby="code-hint e-access_code"
          @input=${i=>{let a=i.target;n(a.selectionEnd===a.value.length?W(a.value):a.value)}}
          @keydown=${i=>{i.key!=="Enter"||i.isComposing||(i.preventDefault(),t.open())}}
        ></textarea>
        <p class="small" id="code-hint">${s("codeHint")}</p>
        ${b(o,"access_code")}
      </div>
      ${e.opening?r`<progress aria-label=${s("opening")} data-ats="progress" part="progress"></progress>
            ${g(o)===c?r`<p class="soft">${s("opening")}</p>`:g(o)}`:c}
      <div class="acts">
        ${e.opening?r`<button type="button" data-ats="cancel" @click=${()=>t.edit()}>${s("cancel")}</button>`:r`<button class="main" part="button" data-ats="next">${s("find")}</button>`}
      </div>
      <details>
        <summary data-ats="lost-code">${s("lostCode")}</summary>
        <p class="small">${s("lostText")}</p>
      </details>
    </form>
  `}function K(o){let{state:e,flow:t}=o,s=o.texts.t,n=e.work;return n?r`
    <form class="stack" novalidate data-ats="form-song" @submit=${m(()=>t.next())}>
      <div class="stack tight">
        ${u(s("updHeading"))}
        <p class="soft">${s("workIntro")}</p>
      </div>
      ${e.moved?r`<p class="note" role="status" data-ats="moved">${s("moved")}</p>`:c}
      <dl class="facts pairs" data-ats="work">
        <div class="wide">
          <dt>${s("title")}</dt>
          <dd class="big"><bdi data-ats="work-title">${h(n.title)}</bdi></dd>
        </div>
        <div>
          <dt>${s("number")}</dt>
          <dd data-ats="work-id">${n.atsId}</dd>
        </div>
        <div>
          <dt>${s("version")}</dt>
          <dd data-ats="work-version">${n.version}</dd>
        </div>
        ${n.filename?r`<div class="wide">
              <dt>${s("keptFile")}</dt>
              <dd><bdi data-ats="work-file">${h(n.filename)}</bdi></dd>
            </div>`:c}
      </dl>
      ${n.code?Y(o):c} ${B(o)}
      <div class="acts">
        <button class="main" part="button" data-ats="next">${s("next")}</button>
        <button type="button" class="plain" data-ats="back" @click=${()=>t.dispatch({type:"step",step:e.own?"works":"code"})}>
          ${s("back")}
        </button>
      </div>
    </form>
  `:c}function Q(o,e,t){return o.problem?.code==="common.not_found"?e.t("noAudio"):z(o,e,t)}var X=(o,e,t)=>o.file?Q(o.file,e,t):"";function Z(o,e){let t=o.texts.t,s=e.chosen;return s?r`
    <div class="stack" data-ats="versions">
      <div class="stack tight">
        <h2 tabindex="-1" data-ats="heading"><bdi>${h(s.title)}</bdi></h2>
        <p class="soft">${t("nr",{n:String(s.atsId)})}. ${t("seeText")}</p>
      </div>
      ${g(o)}
      <ol class="versions">
        ${e.versions.map(n=>he(o,e,n))}
      </ol>
      <div class="acts"><button type="button" class="plain" data-ats="back" @click=${()=>e.back()}>${t("toSongs")}</button></div>
    </div>
  `:c}function he(o,e,t){let s=o.texts.t,n=t.version,i=e.people.get(n);return r`
    <li class="who stack tight" data-ats=${`version-${n}`}>
      <h3 id=${`v-${n}`}>${s("versionNr",{n})}</h3>
      <p class="small"><time datetime=${new Date(t.at||0).toISOString()}>${v(o.texts,t.at||0)}</time></p>
      ${t.filename?r`<p><bdi data-ats=${`file-${n}`}>${h(t.filename)}</bdi></p>`:c}
      <details ?open=${n===e.versions.at(-1)?.version} @toggle=${a=>a.target.open&&void e.show(n)}>
        <summary data-ats=${`creators-${n}`} aria-describedby=${`v-${n}`}>${s("creators")}</summary>
        ${i?r`<ul class="people">
              ${i.map(a=>r`<li data-ats=${`creator-${n}`}>
                  <bdi>${h(a.fullName)}</bdi>${" "}<span class="small">${D(o.texts,Object.keys(a.roles).filter(d=>a.roles[d]).map(d=>s(d)))}</span>
                </li>`)}
            </ul>`:r`<progress aria-label=${s("getting")} part="progress"></progress>`}
      </details>
      <div class="acts">${G(o,e,n,"audio")} ${G(o,e,n,"certificate")}</div>
      ${J(o,e,n,"audio")} ${J(o,e,n,"certificate")}
    </li>
  `}var G=(o,e,t,s)=>r`
  <button type="button" data-ats=${`${s}-${t}`} aria-describedby=${`v-${t} m-${s}-${t}`} @click=${()=>{e.get(t,s)}}>
    ${o.texts.t(s==="audio"?"getAudio":"getCert")}
  </button>
`,J=(o,e,t,s)=>{let n=e.files.get(`${s}-${t}`);return n?r`<p class="note ${n.state==="begun"?"good":""}" id=${`m-${s}-${t}`} data-ats=${`told-${s}-${t}`}>${Q(n,o.texts,o.now)}</p>`:c};var ee=".works{display:grid;gap:.5em;border-inline-start:3px solid transparent;padding-inline-start:.375em;margin-inline-start:calc(-.375em - 3px)}.works legend{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:baseline;gap:0 .75em;inline-size:100%;font-size:1em;padding-block-end:.375em}.works legend .small{font-weight:400}.works label{display:flex;align-items:center;gap:.75em;min-block-size:3.5em;padding:.5em .75em;border:1px solid var(--_edge);border-radius:var(--_r);background:var(--_bg);font-size:1em;font-weight:400;cursor:pointer}.works label:has(:checked){border-color:var(--_acc);background:var(--_tint)}.works label:has(:focus-visible){outline:3px solid var(--_acc);outline-offset:2px}.works input{outline:none}.works .small{display:block}.stale{border-color:var(--_acc)}.versions,.people{list-style:none;padding:0;display:grid;gap:1em}.people{gap:.375em;padding-block-end:.5em}h3{font-size:1.0625em;line-height:1.3}";Object.assign(_,A);var ge=E(ee),T=class extends k{screen(e){return e.state.step==="works"?M(e,this):Z(e,this)}said(e){return this.listed?j(this,e):X(this,e,this.now)}},te=(o,e,t,s)=>(s.dress(ge),new T(o,e,t,s)),oe=(o,e)=>{let{step:t,mode:s}=o.state;return t==="code"?q(o):s==="update"&&t!=="works"?K(o):e?.screen(o)};part={form:oe,library:te};
return part}
