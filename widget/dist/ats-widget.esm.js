var g=globalThis.document??{createTreeWalker:()=>({})},f=globalThis.HTMLElement??class{};var me=globalThis,Re=n=>n,ae=me.trustedTypes,Oe=(()=>{try{return ae?.createPolicy("lit-html",{createHTML:n=>n})}catch{}})(),Fe="$lit$",w=`lit$${Math.random().toFixed(9).slice(2)}$`,Ue="?"+w,At=`<${Ue}>`,A=g,N=()=>A.createComment(""),R=n=>n===null||typeof n!="object"&&typeof n!="function",ge=Array.isArray,St=n=>ge(n)||typeof n?.[Symbol.iterator]=="function",oe=`[ 	
\f\r]`,T=/<(?:(!--|\/[^a-zA-Z])|(\/?[a-zA-Z][^>\s]*)|(\/?$))/g,ze=/-->/g,Me=/>/g,k=RegExp(`>|${oe}(?:([^\\s"'>=/]+)(${oe}*=${oe}*(?:[^ 	
\f\r"'\`<>=]|("|')|))|$)`,"g"),qe=/'/g,De=/"/g,Le=/^(?:script|style|textarea|title)$/i,he=n=>(e,...t)=>({_$litType$:n,strings:e,values:t}),u=he(1),P=he(2),gn=he(3),O=Symbol.for("lit-noChange"),c=Symbol.for("lit-nothing"),je=new WeakMap,$=A.createTreeWalker(A,129);function Be(n,e){if(!ge(n)||!n.hasOwnProperty("raw"))throw Error("invalid template strings array");return Oe!==void 0?Oe.createHTML(e):e}var Et=(n,e)=>{let t=n.length-1,r=[],i,s=e===2?"<svg>":e===3?"<math>":"",o=T;for(let a=0;a<t;a++){let l=n[a],d,m,p=-1,h=0;for(;h<l.length&&(o.lastIndex=h,m=o.exec(l),m!==null);)h=o.lastIndex,o===T?m[1]==="!--"?o=ze:m[1]!==void 0?o=Me:m[2]!==void 0?(Le.test(m[2])&&(i=RegExp("</"+m[2],"g")),o=k):m[3]!==void 0&&(o=k):o===k?m[0]===">"?(o=i??T,p=-1):m[1]===void 0?p=-2:(p=o.lastIndex-m[2].length,d=m[1],o=m[3]===void 0?k:m[3]==='"'?De:qe):o===De||o===qe?o=k:o===ze||o===Me?o=T:(o=k,i=void 0);let y=o===k&&n[a+1].startsWith("/>")?" ":"";s+=o===T?l+At:p>=0?(r.push(d),l.slice(0,p)+Fe+l.slice(p)+w+y):l+w+(p===-2?a:y)}return[Be(n,s+(n[t]||"<?>")+(e===2?"</svg>":e===3?"</math>":"")),r]},z=class n{constructor({strings:e,_$litType$:t},r){let i;this.parts=[];let s=0,o=0,a=e.length-1,l=this.parts,[d,m]=Et(e,t);if(this.el=n.createElement(d,r),$.currentNode=this.el.content,t===2||t===3){let p=this.el.content.firstChild;p.replaceWith(...p.childNodes)}for(;(i=$.nextNode())!==null&&l.length<a;){if(i.nodeType===1){if(i.hasAttributes())for(let p of i.getAttributeNames())if(p.endsWith(Fe)){let h=m[o++],y=i.getAttribute(p).split(w),H=/([.?@])?(.*)/.exec(h);l.push({type:1,index:s,name:H[2],strings:y,ctor:H[1]==="."?de:H[1]==="?"?ce:H[1]==="@"?ue:C}),i.removeAttribute(p)}else p.startsWith(w)&&(l.push({type:6,index:s}),i.removeAttribute(p));if(Le.test(i.tagName)){let p=i.textContent.split(w),h=p.length-1;if(h>0){i.textContent=ae?ae.emptyScript:"";for(let y=0;y<h;y++)i.append(p[y],N()),$.nextNode(),l.push({type:2,index:++s});i.append(p[h],N())}}}else if(i.nodeType===8)if(i.data===Ue)l.push({type:2,index:s});else{let p=-1;for(;(p=i.data.indexOf(w,p+1))!==-1;)l.push({type:7,index:s}),p+=w.length-1}s++}}static createElement(e,t){let r=A.createElement("template");return r.innerHTML=e,r}};function I(n,e,t=n,r){if(e===O)return e;let i=r!==void 0?t._$Co?.[r]:t._$Cl,s=R(e)?void 0:e._$litDirective$;return i?.constructor!==s&&(i?._$AO?.(!1),s===void 0?i=void 0:(i=new s(n),i._$AT(n,t,r)),r!==void 0?(t._$Co??=[])[r]=i:t._$Cl=i),i!==void 0&&(e=I(n,i._$AS(n,e.values),i,r)),e}var le=class{constructor(e,t){this._$AV=[],this._$AN=void 0,this._$AD=e,this._$AM=t}get parentNode(){return this._$AM.parentNode}get _$AU(){return this._$AM._$AU}u(e){let{el:{content:t},parts:r}=this._$AD,i=(e?.creationScope??A).importNode(t,!0);$.currentNode=i;let s=$.nextNode(),o=0,a=0,l=r[0];for(;l!==void 0;){if(o===l.index){let d;l.type===2?d=new M(s,s.nextSibling,this,e):l.type===1?d=new l.ctor(s,l.name,l.strings,this,e):l.type===6&&(d=new pe(s,this,e)),this._$AV.push(d),l=r[++a]}o!==l?.index&&(s=$.nextNode(),o++)}return $.currentNode=A,i}p(e){let t=0;for(let r of this._$AV)r!==void 0&&(r.strings!==void 0?(r._$AI(e,r,t),t+=r.strings.length-2):r._$AI(e[t])),t++}},M=class n{get _$AU(){return this._$AM?._$AU??this._$Cv}constructor(e,t,r,i){this.type=2,this._$AH=c,this._$AN=void 0,this._$AA=e,this._$AB=t,this._$AM=r,this.options=i,this._$Cv=i?.isConnected??!0}get parentNode(){let e=this._$AA.parentNode,t=this._$AM;return t!==void 0&&e?.nodeType===11&&(e=t.parentNode),e}get startNode(){return this._$AA}get endNode(){return this._$AB}_$AI(e,t=this){e=I(this,e,t),R(e)?e===c||e==null||e===""?(this._$AH!==c&&this._$AR(),this._$AH=c):e!==this._$AH&&e!==O&&this._(e):e._$litType$!==void 0?this.$(e):e.nodeType!==void 0?this.T(e):St(e)?this.k(e):this._(e)}O(e){return this._$AA.parentNode.insertBefore(e,this._$AB)}T(e){this._$AH!==e&&(this._$AR(),this._$AH=this.O(e))}_(e){this._$AH!==c&&R(this._$AH)?this._$AA.nextSibling.data=e:this.T(A.createTextNode(e)),this._$AH=e}$(e){let{values:t,_$litType$:r}=e,i=typeof r=="number"?this._$AC(e):(r.el===void 0&&(r.el=z.createElement(Be(r.h,r.h[0]),this.options)),r);if(this._$AH?._$AD===i)this._$AH.p(t);else{let s=new le(i,this),o=s.u(this.options);s.p(t),this.T(o),this._$AH=s}}_$AC(e){let t=je.get(e.strings);return t===void 0&&je.set(e.strings,t=new z(e)),t}k(e){ge(this._$AH)||(this._$AH=[],this._$AR());let t=this._$AH,r,i=0;for(let s of e)i===t.length?t.push(r=new n(this.O(N()),this.O(N()),this,this.options)):r=t[i],r._$AI(s),i++;i<t.length&&(this._$AR(r&&r._$AB.nextSibling,i),t.length=i)}_$AR(e=this._$AA.nextSibling,t){for(this._$AP?.(!1,!0,t);e!==this._$AB;){let r=Re(e).nextSibling;Re(e).remove(),e=r}}setConnected(e){this._$AM===void 0&&(this._$Cv=e,this._$AP?.(e))}},C=class{get tagName(){return this.element.tagName}get _$AU(){return this._$AM._$AU}constructor(e,t,r,i,s){this.type=1,this._$AH=c,this._$AN=void 0,this.element=e,this.name=t,this._$AM=i,this.options=s,r.length>2||r[0]!==""||r[1]!==""?(this._$AH=Array(r.length-1).fill(new String),this.strings=r):this._$AH=c}_$AI(e,t=this,r,i){let s=this.strings,o=!1;if(s===void 0)e=I(this,e,t,0),o=!R(e)||e!==this._$AH&&e!==O,o&&(this._$AH=e);else{let a=e,l,d;for(e=s[0],l=0;l<s.length-1;l++)d=I(this,a[r+l],t,l),d===O&&(d=this._$AH[l]),o||=!R(d)||d!==this._$AH[l],d===c?e=c:e!==c&&(e+=(d??"")+s[l+1]),this._$AH[l]=d}o&&!i&&this.j(e)}j(e){e===c?this.element.removeAttribute(this.name):this.element.setAttribute(this.name,e??"")}},de=class extends C{constructor(){super(...arguments),this.type=3}j(e){this.element[this.name]=e===c?void 0:e}},ce=class extends C{constructor(){super(...arguments),this.type=4}j(e){this.element.toggleAttribute(this.name,!!e&&e!==c)}},ue=class extends C{constructor(e,t,r,i,s){super(e,t,r,i,s),this.type=5}_$AI(e,t=this){if((e=I(this,e,t,0)??c)===O)return;let r=this._$AH,i=e===c&&r!==c||e.capture!==r.capture||e.once!==r.once||e.passive!==r.passive,s=e!==c&&(r===c||i);i&&this.element.removeEventListener(this.name,this,r),s&&this.element.addEventListener(this.name,this,e),this._$AH=e}handleEvent(e){typeof this._$AH=="function"?this._$AH.call(this.options?.host??this.element,e):this._$AH.handleEvent(e)}},pe=class{constructor(e,t,r){this.element=e,this.type=6,this._$AN=void 0,this._$AM=t,this.options=r}get _$AU(){return this._$AM._$AU}_$AI(e){I(this,e)}};var It=me.litHtmlPolyfillSupport;It?.(z,M),(me.litHtmlVersions??=[]).push("3.3.3");var He=(n,e,t)=>{let r=t?.renderBefore??e,i=r._$litPart$;if(i===void 0){let s=t?.renderBefore??null;r._$litPart$=i=new M(e.insertBefore(N(),s),s,void 0,t??{})}return i._$AI(n),i};var fe=["author","composer","arranger","adapter"];var V=n=>({id:n,fullName:"",email:"",roles:{author:!1,composer:!1,arranger:!1,adapter:!1},ipi:"",isni:""}),x=n=>n.replace(/[\s.-]/g,"").toUpperCase(),Ct=n=>new TextEncoder().encode(n).length;function be(n,e){let t={},r=n.file&&ve(n.file,e);n.file?r&&(t.file=r):t.file={key:"choose"};let i=n.title.trim();return i?[...i].length>200&&(t.title={key:"tooLong",values:{max:200}}):t.title={key:"needed"},t}function ve(n,e){if(n.size===0)return{key:"errEmpty"};if(e>0&&n.size>e)return{key:"errLarge",values:{size:n.size,max:e}}}function Ve(n){let e={};return n.forEach((t,r)=>{let i=(o,a,l)=>{e[`creators.${r}.${o}`]=l?{key:a,values:{max:l}}:{key:a}};for(let o of["fullName","email"]){let a=t[o].trim();a?Ct(a)>255&&i(o,"tooLong",255):i(o,"needed")}let s=t.email.trim();s&&!/^[^\s@]+@[^\s@]+$/.test(s)&&i("email","badEmail"),fe.some(o=>t.roles[o])||i("roles","needRole"),x(t.ipi)&&!/^\d{1,11}$/.test(x(t.ipi))&&i("ipi","badIpi"),x(t.isni)&&!/^\d{15}[\dX]$/.test(x(t.isni))&&i("isni","badIsni")}),e}var Ke=n=>n.map(e=>({full_name:e.fullName.trim(),email:e.email.trim(),roles:e.roles,...x(e.ipi)&&{ipi:x(e.ipi)},...x(e.isni)&&{isni:x(e.isni)}}));function Ge(n){if(n==="title")return"title";if(/^(filename|file|size_bytes)$/.test(n))return"file";let e=/^creators[.[](\d+)\]?\.(full_name|email|roles|ipi|isni)\b/.exec(n);return e?`creators.${e[1]}.${e[2].replace("full_name","fullName")}`:void 0}var We={now:()=>Date.now(),sleep:(n,e)=>new Promise((t,r)=>{e.throwIfAborted();let i=()=>(clearTimeout(s),r(e.reason)),s=setTimeout(()=>(e.removeEventListener("abort",i),t()),n);e.addEventListener("abort",i,{once:!0})}),online:()=>navigator.onLine,untilOnline:n=>new Promise((e,t)=>{addEventListener("online",()=>e(),{once:!0,signal:n}),n.addEventListener("abort",()=>t(n.reason),{once:!0})}),fetch:(n,e)=>fetch(n,e),put:(n,e,t,r)=>new Promise((i,s)=>{r.throwIfAborted();let o=new XMLHttpRequest,a,l=()=>(clearTimeout(a),a=setTimeout(()=>o.abort(),6e4)),d=()=>o.abort();o.upload.onprogress=m=>(l(),t(m.loaded)),o.onloadend=()=>{clearTimeout(a),r.removeEventListener("abort",d),r.aborted?s(r.reason):i({status:o.status,body:o.responseText})},r.addEventListener("abort",d),l(),o.open("PUT",n),o.send(e)}),socket:n=>new WebSocket(n)};var Pt=globalThis.CustomEvent??class{},q=class extends Pt{constructor(e,t){super(e,{detail:t,bubbles:!0,composed:!0})}};var Tt="heading intro stepSong stepPrice stepProof by file choose drop max title next back whoHeading whoIntro creator name email roles author composer arranger adapter numbers add remove submit needed needRole badEmail badIpi badIsni badField tooLong sending sent keepOpen cancel waitToken waitOnline waitRetry preparing review credits feeNetwork feeDeposit feeService feeStorage until quoteOver requote agree edit technical fingerprint confirming tracking trackingText stepCheck stepSend stepFinal completed done doneText number code codeText copy copied save view transaction block again failed kept noDouble retry check off reference errSession errOff errDown errOther errTitle errLarge errTooLarge errFormat errEmpty errCredits errRegistered errExpired errNetwork errUpload errQuota errRefused".split(" "),S=n=>Object.fromEntries(n.split(`
`).map((e,t)=>[Tt[t],e])),ye={en:S(`Register your song
Get dated proof that this song is yours. Your recording is never published.
Song
Price
Proof
Creators
Recording
Choose an audio file
or drop it here
Up to {max}
Title of the song
Continue
Back
Who made it?
Everyone who wrote, composed or arranged this song.
Creator {n}
Full name
Email
Roles
Lyrics
Music
Arrangement
Adaptation
IPI, ISNI (optional)
Add a creator
Remove
Send and see the price
Please fill this in.
Choose at least one role.
This email address is not complete.
An IPI has 1 to 11 digits.
An ISNI has 15 digits, then a digit or X.
Something here is not right.
At most {max} characters.
Sending your song
{loaded} of {total}
Please keep this page open.
Cancel
Renewing your session…
You are offline. We go on when the connection is back.
One moment, trying again…
Preparing your proof
Check and confirm
one={n} credit|other={n} credits
Network
Deposit
Service
Storage
This price holds until {time}.
This price has expired. Nothing was charged.
Get a new price
Confirm and register
Change something
Technical details
Fingerprint
Confirming
Registering your song
This usually takes less than a minute.
Checking
Handing in
Waiting until it is final
Registered
Your song is registered
The proof is dated and final. No one can change it.
Registration number
Your access code
Keep it safe: it opens your certificate and is shown only now.
Copy
Copied
Save as a file
See the public record
Transaction
Block
Register another song
That did not work
Everything you filled in is kept.
Your registration was handed in. You will not be charged twice.
Try again
Check again
Not available here
Reference
Your session has expired.
Songs cannot be registered on this site right now. Please tell its owner.
The service is busy right now. Please try again shortly.
Something went wrong on our side.
A song with this title already exists. Please choose another title.
This file is too large: {size}, at most {max}.
This file is too large.
We cannot read this file as audio. Please choose another.
This file is empty. Please choose another.
This site has no credits left. Nothing was charged.
This recording is already registered.
This took too long. Nothing was charged.
The connection was lost.
The file could not be sent.
No more songs can be registered here for now.
The register did not accept it. Nothing was charged.`),fr:S(`Déposez votre chanson
Obtenez une preuve datée que cette chanson est la vôtre. Votre enregistrement n’est jamais publié.
Chanson
Prix
Preuve
Créateurs
Enregistrement
Choisissez un fichier audio
ou déposez-le ici
Jusqu’à {max}
Titre de la chanson
Continuer
Retour
Qui l’a créée ?
Toutes les personnes qui ont écrit, composé ou arrangé cette chanson.
Créateur {n}
Nom complet
E-mail
Rôles
Paroles
Musique
Arrangement
Adaptation
IPI, ISNI (facultatif)
Ajouter un créateur
Retirer
Envoyer et voir le prix
Veuillez remplir ce champ.
Choisissez au moins un rôle.
Cette adresse e-mail est incomplète.
Un IPI compte de 1 à 11 chiffres.
Un ISNI compte 15 chiffres, puis un chiffre ou X.
Quelque chose est à corriger ici.
{max} caractères au plus.
Envoi de votre chanson
{loaded} sur {total}
Gardez cette page ouverte.
Annuler
Renouvellement de votre session…
Vous êtes hors ligne. Nous reprendrons au retour de la connexion.
Un instant, nouvel essai…
Préparation de votre preuve
Vérifiez et confirmez
one={n} crédit|other={n} crédits
Réseau
Dépôt
Service
Stockage
Ce prix est valable jusqu’à {time}.
Ce prix a expiré. Rien n’a été débité.
Obtenir un nouveau prix
Confirmer le dépôt
Modifier
Détails techniques
Empreinte
Confirmation
Dépôt de votre chanson
Cela prend en général moins d’une minute.
Vérification
Remise
Attente de l’inscription définitive
Déposée
Votre chanson est déposée
La preuve est datée et définitive. Personne ne peut la changer.
Numéro de dépôt
Votre code d’accès
Gardez-le bien : il ouvre votre certificat et n’est affiché que maintenant.
Copier
Copié
Enregistrer en fichier
Voir l’inscription publique
Transaction
Bloc
Déposer une autre chanson
Cela n’a pas marché
Tout ce que vous avez saisi est conservé.
Votre dépôt a été remis. Vous ne serez pas débité deux fois.
Réessayer
Vérifier à nouveau
Indisponible ici
Référence
Votre session a expiré.
Ce site ne peut pas recevoir de dépôts pour le moment. Veuillez prévenir son responsable.
Le service est occupé pour le moment. Réessayez dans un instant.
Une erreur s’est produite de notre côté.
Une chanson porte déjà ce titre. Veuillez en choisir un autre.
Ce fichier est trop lourd : {size}, {max} au plus.
Ce fichier est trop lourd.
Ce fichier n’est pas un audio lisible. Veuillez en choisir un autre.
Ce fichier est vide. Veuillez en choisir un autre.
Ce site n’a plus de crédits. Rien n’a été débité.
Cet enregistrement est déjà déposé.
Cela a pris trop de temps. Rien n’a été débité.
La connexion a été perdue.
Le fichier n’a pas pu être envoyé.
Plus aucun dépôt n’est possible ici pour l’instant.
Le registre ne l’a pas accepté. Rien n’a été débité.`),es:S(`Registra tu canción
Obtén una prueba fechada de que esta canción es tuya. Tu grabación nunca se publica.
Canción
Precio
Prueba
Creadores
Grabación
Elige un archivo de audio
o suéltalo aquí
Hasta {max}
Título de la canción
Continuar
Atrás
¿Quién la creó?
Todas las personas que escribieron, compusieron o arreglaron esta canción.
Creador {n}
Nombre completo
Correo electrónico
Funciones
Letra
Música
Arreglo
Adaptación
IPI, ISNI (opcional)
Añadir un creador
Quitar
Enviar y ver el precio
Rellena este campo.
Elige al menos una función.
Este correo no está completo.
Un IPI tiene de 1 a 11 cifras.
Un ISNI tiene 15 cifras y luego una cifra o X.
Hay algo que corregir aquí.
{max} caracteres como máximo.
Enviando tu canción
{loaded} de {total}
Mantén esta página abierta.
Cancelar
Renovando tu sesión…
No hay conexión. Seguiremos cuando vuelva.
Un momento, lo intentamos de nuevo…
Preparando tu prueba
Revisa y confirma
one={n} crédito|other={n} créditos
Red
Depósito
Servicio
Almacenamiento
Este precio vale hasta las {time}.
Este precio ha caducado. No se ha cobrado nada.
Pedir un nuevo precio
Confirmar y registrar
Cambiar algo
Detalles técnicos
Huella
Confirmando
Registrando tu canción
Suele tardar menos de un minuto.
Comprobando
Entregando
Esperando a que sea definitivo
Registrada
Tu canción está registrada
La prueba está fechada y es definitiva. Nadie puede cambiarla.
Número de registro
Tu código de acceso
Guárdalo bien: abre tu certificado y solo se muestra ahora.
Copiar
Copiado
Guardar en un archivo
Ver el registro público
Transacción
Bloque
Registrar otra canción
No ha funcionado
Se conserva todo lo que has escrito.
Tu registro ya se entregó. No se te cobrará dos veces.
Intentar de nuevo
Comprobar de nuevo
No disponible aquí
Referencia
Tu sesión ha caducado.
Ahora no se pueden registrar canciones en este sitio. Avisa a su responsable.
El servicio está ocupado ahora. Inténtalo de nuevo en un momento.
Algo ha fallado por nuestra parte.
Ya existe una canción con este título. Elige otro título.
Este archivo es demasiado grande: {size}, {max} como máximo.
Este archivo es demasiado grande.
No podemos leer este archivo como audio. Elige otro.
Este archivo está vacío. Elige otro.
A este sitio no le quedan créditos. No se ha cobrado nada.
Esta grabación ya está registrada.
Ha tardado demasiado. No se ha cobrado nada.
Se ha perdido la conexión.
No se ha podido enviar el archivo.
Por ahora no se pueden registrar más canciones aquí.
El registro no lo ha aceptado. No se ha cobrado nada.`),pt:S(`Registre sua música
Obtenha uma prova datada de que esta música é sua. Sua gravação nunca é publicada.
Música
Preço
Prova
Criadores
Gravação
Escolha um arquivo de áudio
ou solte-o aqui
Até {max}
Título da música
Continuar
Voltar
Quem a criou?
Todas as pessoas que escreveram, compuseram ou arranjaram esta música.
Criador {n}
Nome completo
E-mail
Funções
Letra
Música
Arranjo
Adaptação
IPI, ISNI (opcional)
Adicionar um criador
Remover
Enviar e ver o preço
Preencha este campo.
Escolha pelo menos uma função.
Este e-mail não está completo.
Um IPI tem de 1 a 11 dígitos.
Um ISNI tem 15 dígitos e depois um dígito ou X.
Há algo a corrigir aqui.
No máximo {max} caracteres.
Enviando sua música
{loaded} de {total}
Mantenha esta página aberta.
Cancelar
Renovando sua sessão…
Sem conexão. Continuaremos quando ela voltar.
Um momento, tentando de novo…
Preparando sua prova
Confira e confirme
one={n} crédito|other={n} créditos
Rede
Depósito
Serviço
Armazenamento
Este preço vale até {time}.
Este preço expirou. Nada foi cobrado.
Pedir um novo preço
Confirmar e registrar
Mudar algo
Detalhes técnicos
Impressão digital
Confirmando
Registrando sua música
Costuma levar menos de um minuto.
Verificando
Entregando
Esperando ser definitivo
Registrada
Sua música está registrada
A prova está datada e é definitiva. Ninguém pode mudá-la.
Número de registro
Seu código de acesso
Guarde-o bem: ele abre seu certificado e só é mostrado agora.
Copiar
Copiado
Salvar em arquivo
Ver o registro público
Transação
Bloco
Registrar outra música
Não funcionou
Tudo o que você preencheu foi mantido.
Seu registro já foi entregue. Você não será cobrado duas vezes.
Tentar de novo
Verificar de novo
Indisponível aqui
Referência
Sua sessão expirou.
Agora não é possível registrar músicas neste site. Avise o responsável.
O serviço está ocupado agora. Tente de novo em instantes.
Algo deu errado do nosso lado.
Já existe uma música com este título. Escolha outro título.
Este arquivo é grande demais: {size}, no máximo {max}.
Este arquivo é grande demais.
Não conseguimos ler este arquivo como áudio. Escolha outro.
Este arquivo está vazio. Escolha outro.
Este site não tem mais créditos. Nada foi cobrado.
Esta gravação já está registrada.
Demorou demais. Nada foi cobrado.
A conexão foi perdida.
Não foi possível enviar o arquivo.
Por ora não é possível registrar mais músicas aqui.
O registro não o aceitou. Nada foi cobrado.`),de:S(`Song registrieren
Ein datierter Nachweis, dass dieser Song von Ihnen ist. Ihre Aufnahme wird nie veröffentlicht.
Song
Preis
Nachweis
Urheber
Aufnahme
Audiodatei wählen
oder hier ablegen
Bis zu {max}
Titel des Songs
Weiter
Zurück
Von wem ist er?
Alle, die diesen Song geschrieben, komponiert oder arrangiert haben.
Urheber {n}
Voller Name
E-Mail
Rollen
Text
Musik
Arrangement
Bearbeitung
IPI, ISNI (freiwillig)
Urheber hinzufügen
Entfernen
Senden und Preis ansehen
Bitte ausfüllen.
Bitte mindestens eine Rolle wählen.
Diese E-Mail-Adresse ist unvollständig.
Eine IPI hat 1 bis 11 Ziffern.
Eine ISNI hat 15 Ziffern, dann eine Ziffer oder X.
Hier stimmt etwas nicht.
Höchstens {max} Zeichen.
Ihr Song wird gesendet
{loaded} von {total}
Bitte lassen Sie diese Seite offen.
Abbrechen
Ihre Sitzung wird erneuert…
Keine Verbindung. Sobald sie zurück ist, geht es weiter.
Einen Moment, neuer Versuch…
Ihr Nachweis wird vorbereitet
Prüfen und bestätigen
one={n} Credit|other={n} Credits
Netzwerk
Einlage
Service
Speicherung
Dieser Preis gilt bis {time}.
Dieser Preis ist abgelaufen. Nichts wurde berechnet.
Neuen Preis holen
Bestätigen und registrieren
Etwas ändern
Technische Angaben
Fingerabdruck
Wird bestätigt
Ihr Song wird registriert
Das dauert meist weniger als eine Minute.
Prüfung
Übergabe
Warten, bis es endgültig ist
Registriert
Ihr Song ist registriert
Der Nachweis ist datiert und endgültig. Niemand kann ihn ändern.
Registernummer
Ihr Zugangscode
Gut aufbewahren: Er öffnet Ihr Zertifikat und wird nur jetzt gezeigt.
Kopieren
Kopiert
Als Datei speichern
Öffentlichen Eintrag ansehen
Transaktion
Block
Weiteren Song registrieren
Das hat nicht geklappt
Alle Ihre Angaben bleiben erhalten.
Ihre Registrierung ist übergeben. Sie zahlen nicht doppelt.
Erneut versuchen
Erneut nachsehen
Hier nicht verfügbar
Referenz
Ihre Sitzung ist abgelaufen.
Auf dieser Website kann gerade kein Song registriert werden. Bitte melden Sie es dem Betreiber.
Der Dienst ist gerade ausgelastet. Bitte gleich noch einmal versuchen.
Bei uns ist etwas schiefgegangen.
Es gibt schon einen Song mit diesem Titel. Bitte einen anderen wählen.
Diese Datei ist zu groß: {size}, höchstens {max}.
Diese Datei ist zu groß.
Diese Datei ist kein lesbares Audio. Bitte eine andere wählen.
Diese Datei ist leer. Bitte eine andere wählen.
Diese Website hat keine Credits mehr. Nichts wurde berechnet.
Diese Aufnahme ist schon registriert.
Das hat zu lange gedauert. Nichts wurde berechnet.
Die Verbindung ist abgebrochen.
Die Datei konnte nicht gesendet werden.
Hier können vorerst keine Songs mehr registriert werden.
Das Register hat es nicht angenommen. Nichts wurde berechnet.`),ja:S(`楽曲を登録
この曲があなたのものだという日付入りの証明が得られます。録音は公開されません。
楽曲
料金
証明
制作者
録音
音声ファイルを選ぶ
またはここにドロップ
最大 {max}
曲名
次へ
戻る
誰の作品ですか？
作詞・作曲・編曲した全員を入力してください。
制作者 {n}
氏名
メール
役割
作詞
作曲
編曲
訳詞・改作
IPI、ISNI（任意）
制作者を追加
削除
送信して料金を見る
入力してください。
役割を一つ以上選んでください。
メールアドレスが正しくありません。
IPI は 1～11 桁の数字です。
ISNI は数字 15 桁と、数字または X です。
入力内容をご確認ください。
{max} 文字までです。
楽曲を送信中
{loaded} / {total}
このページを開いたままにしてください。
中止
セッションを更新中…
オフラインです。接続が戻ると再開します。
再試行しています…
証明を準備中
確認して確定
other={n} クレジット
ネットワーク
預け金
サービス
保管
この料金は {time} まで有効です。
料金の期限が切れました。請求はありません。
料金を取り直す
確定して登録
変更する
技術的な詳細
指紋
確定中
楽曲を登録中
通常 1 分もかかりません。
確認
提出
最終確定を待機
登録済み
楽曲が登録されました
証明は日付入りで確定しています。誰にも変更できません。
登録番号
アクセスコード
大切に保管してください。証明書を開くコードで、表示は今だけです。
コピー
コピーしました
ファイルに保存
公開記録を見る
トランザクション
ブロック
別の曲を登録
うまくいきませんでした
入力内容は保持されています。
登録は提出済みです。二重に請求されません。
再試行
もう一度確認
ここでは利用できません
照会番号
セッションの期限が切れました。
現在このサイトでは登録できません。サイトの管理者にお知らせください。
混み合っています。少し待って再試行してください。
こちら側で問題が起きました。
同じ曲名の登録があります。別の曲名にしてください。
ファイルが大きすぎます：{size}（最大 {max}）。
ファイルが大きすぎます。
音声として読めないファイルです。別のファイルを選んでください。
空のファイルです。別のファイルを選んでください。
このサイトのクレジットが足りません。請求はありません。
この録音は登録済みです。
時間切れです。請求はありません。
接続が切れました。
ファイルを送信できませんでした。
現在これ以上登録できません。
登録が受理されませんでした。請求はありません。`),ar:S(`سجّل أغنيتك
احصل على إثبات مؤرَّخ بأن هذه الأغنية لك. لن يُنشر تسجيلك أبدًا.
الأغنية
السعر
الإثبات
المبدعون
التسجيل
اختر ملفًا صوتيًا
أو أفلته هنا
حتى {max}
عنوان الأغنية
متابعة
رجوع
من أبدعها؟
كل من كتب هذه الأغنية أو لحّنها أو وزّعها.
المبدع {n}
الاسم الكامل
البريد الإلكتروني
الأدوار
الكلمات
اللحن
التوزيع
الاقتباس
IPI، ISNI (اختياري)
أضف مبدعًا
إزالة
أرسل واعرف السعر
يرجى ملء هذا الحقل.
اختر دورًا واحدًا على الأقل.
هذا البريد غير مكتمل.
يتكوّن IPI من 1 إلى 11 رقمًا.
يتكوّن ISNI من 15 رقمًا ثم رقم أو X.
هنا ما يحتاج إلى تصحيح.
{max} حرفًا على الأكثر.
جارٍ إرسال أغنيتك
{loaded} من {total}
يرجى إبقاء هذه الصفحة مفتوحة.
إلغاء
جارٍ تجديد جلستك…
لا يوجد اتصال. سنتابع عند عودته.
لحظة، نحاول مجددًا…
جارٍ إعداد إثباتك
راجع وأكّد
zero={n} رصيد|one=رصيد واحد|two=رصيدان|few={n} أرصدة|many={n} رصيدًا|other={n} رصيد
الشبكة
الإيداع
الخدمة
التخزين
هذا السعر صالح حتى {time}.
انتهت صلاحية السعر. لم يُخصم شيء.
اطلب سعرًا جديدًا
أكّد وسجّل
تعديل
تفاصيل تقنية
البصمة
جارٍ التأكيد
جارٍ تسجيل أغنيتك
يستغرق ذلك عادةً أقل من دقيقة.
التحقق
التسليم
بانتظار أن يصبح نهائيًا
تم التسجيل
سُجّلت أغنيتك
الإثبات مؤرَّخ ونهائي. لا أحد يستطيع تغييره.
رقم التسجيل
رمز الوصول الخاص بك
احفظه جيدًا: يفتح شهادتك ولا يظهر إلا الآن.
نسخ
تم النسخ
احفظ في ملف
اعرض السجل العام
المعاملة
الكتلة
سجّل أغنية أخرى
لم ينجح ذلك
كل ما أدخلته محفوظ.
سُلّم تسجيلك. لن يُخصم منك مرتين.
حاول مجددًا
تحقق مجددًا
غير متاح هنا
المرجع
انتهت جلستك.
لا يمكن تسجيل الأغاني في هذا الموقع الآن. يرجى إبلاغ صاحبه.
الخدمة مشغولة الآن. حاول مجددًا بعد قليل.
حدث خطأ من جانبنا.
توجد أغنية بهذا العنوان. يرجى اختيار عنوان آخر.
هذا الملف كبير جدًا: {size}، والحد {max}.
هذا الملف كبير جدًا.
لا يمكننا قراءة هذا الملف كصوت. يرجى اختيار آخر.
هذا الملف فارغ. يرجى اختيار آخر.
نفد رصيد هذا الموقع. لم يُخصم شيء.
هذا التسجيل مسجَّل من قبل.
استغرق ذلك وقتًا طويلًا. لم يُخصم شيء.
انقطع الاتصال.
تعذّر إرسال الملف.
لا يمكن تسجيل المزيد هنا حاليًا.
لم يقبله السجل. لم يُخصم شيء.`)};var _e={"session.invalid_token":{status:401,class:"refresh"},"session.key_inactive":{status:403,class:"disabled"},"session.widget_not_enabled":{status:403,class:"disabled"},"session.origin_not_allowed":{status:403,class:"disabled"},"session.rate_limited":{status:429,class:"failed"},"common.auth.missing_token":{status:401,class:"refresh"},"common.auth.expired":{status:401,class:"refresh"},"common.auth.invalid_token":{status:401,class:"refresh"},"common.auth.invalid_api_key":{status:401,class:"disabled"},"common.auth.jwks_unavailable":{status:503,class:"failed"},"common.auth.backend_unavailable":{status:503,class:"failed"},"organization.not_found":{status:404,class:"disabled"},"organization.inactive":{status:403,class:"disabled"},"organization.no_integration":{status:403,class:"disabled"},"registration.duplicate_title":{status:409,class:"inline",stage:"title"},"registration.audio_too_large":{status:413,class:"inline",stage:"file"},"registration.invalid_audio_format":{status:415,class:"inline",stage:"file"},"registration.insufficient_credits":{status:402,class:"failed"},"work.not_found":{status:404,class:"failed"},"work.already_registered":{status:409,class:"failed"},"access_code.not_found":{status:404,class:"inline",stage:"access_code"},"access_code.expired":{status:410,class:"inline",stage:"access_code"},"transaction.not_found":{status:404,class:"failed"},"transaction.store_unavailable":{status:503,class:"failed"},"transaction.already_confirmed":{status:409,class:"failed"},"transaction.expired":{status:410,class:"failed"},"common.rate_limited":{status:429,class:"failed"},"common.validation_failed":{status:422,class:"failed"},"common.service_unavailable":{status:503,class:"failed"},"common.not_found":{status:404,class:"failed"},"widget.network_error":{status:0,class:"client"},"widget.upload_error":{status:0,class:"client"},"widget.malformed_response":{status:0,class:"client"},"widget.unknown_error":{status:0,class:"client"},"widget.configuration_error":{status:0,class:"client"},"session.invalid_external_user_ref":{status:422,class:"failed"},"access_code.format_invalid":{status:422,class:"inline",stage:"access_code"},"common.forbidden":{status:403,class:"failed"},"common.quota_exceeded":{status:429,class:"failed"},"common.internal":{status:500,class:"failed"},"registration.audio_empty":{status:422,class:"inline",stage:"file"},"registration.upload_missing":{status:409,class:"failed"},"registration.dry_run_failed":{status:422,class:"failed"},"version.already_in_progress":{status:409,class:"failed"},"work.certificate_unavailable":{status:404,class:"failed"},"transaction.failed":{status:502,class:"failed"}},Je={"session.invalid_token":"Your session has expired. Please refresh your credentials.","session.key_inactive":"This widget is currently disabled.","session.widget_not_enabled":"The widget feature is not enabled for your organization.","session.origin_not_allowed":"This website is not authorized to use the widget.","session.rate_limited":"Too many requests. Please wait a moment.","common.auth.missing_token":"Authentication is required.","common.auth.expired":"Your session has expired.","common.auth.invalid_token":"Your authentication token is invalid.","common.auth.invalid_api_key":"The API key is invalid.","common.auth.jwks_unavailable":"Authentication service temporarily unavailable.","common.auth.backend_unavailable":"Authentication service temporarily unavailable.","organization.not_found":"Organization not found.","organization.inactive":"Organization inactive.","organization.no_integration":"No integration configured.","registration.duplicate_title":"A work with this title already exists.","registration.audio_too_large":"The asset file is too large ({size_mb} MB). Max: {max_mb} MB.","registration.invalid_audio_format":"Audio format not supported.","registration.insufficient_credits":"Insufficient credits.","work.not_found":"Work not found.","work.already_registered":"Work already registered.","access_code.not_found":"Access code invalid or doesn't exist.","access_code.expired":"Access code expired.","transaction.not_found":"Transaction not found.","transaction.store_unavailable":"Transaction service unavailable.","transaction.already_confirmed":"Transaction already confirmed.","transaction.expired":"Transaction expired.","common.rate_limited":"Too many requests.","common.validation_failed":"Submitted data invalid.","common.service_unavailable":"Service temporarily unavailable.","common.not_found":"Resource not found.","widget.network_error":"Network connectivity issue.","widget.upload_error":"File upload to S3 failed.","widget.malformed_response":"Server returned an unexpected response.","widget.unknown_error":"Fallback for unrecognized errors.","widget.configuration_error":"Widget configuration issue.","session.invalid_external_user_ref":"The external user reference is not valid.","access_code.format_invalid":"Access code malformed.","common.forbidden":"You may not do this.","common.quota_exceeded":"Quota reached.","common.internal":"An unexpected error occurred.","registration.audio_empty":"The file is empty.","registration.upload_missing":"The upload is not complete.","registration.dry_run_failed":"The chain rejected the registration.","version.already_in_progress":"A previous version update is still in progress.","work.certificate_unavailable":"The certificate is not yet available.","transaction.failed":"The registration did not go through."};var b=class extends Error{problem;constructor(e,t,r=null){super(e),this.problem=t?{code:e,requestId:r,details:t}:{code:e,requestId:r}}},_=n=>_e[n].class,Nt=n=>typeof n=="string"&&Object.hasOwn(_e,n),K=n=>typeof n=="object"&&n!==null&&!Array.isArray(n)?n:void 0;function we(n){let e=K(n);if(!e||typeof e.code!="string")return;let t=typeof e.request_id=="string"?e.request_id:null;return Nt(e.code)?new b(e.code,K(e.details),t):new b("widget.unknown_error",{...K(e.details),code:e.code,request_id:t,message:e.message})}function G(n){try{return we(K(JSON.parse(n))?.error)}catch{return}}function xe(n){return n instanceof b?n.problem:{code:"widget.unknown_error",requestId:null,details:{reason:String(n)}}}var Qe=n=>typeof n=="number"?String(Math.round(n/1e5)/10):"?";function Ye(n){return Je[n.code].replace("{size_mb}",Qe(n.details?.size_bytes)).replace("{max_mb}",Qe(n.details?.max_bytes))}var Rt=n=>{let e=n.toLowerCase().split(/[-_]/)[0];return Object.hasOwn(ye,e)?e:"en"};function Ot(n,e,t,r){let i=n;if(n.includes("|")){let s=Object.fromEntries(n.split("|").map(o=>[o.slice(0,o.indexOf("=")),o.slice(o.indexOf("=")+1)]));i=s[new Intl.PluralRules(t).select(Number(e.n))]??s.other}return i.replace(/\{(\w+)\}/g,(s,o)=>{let a=e[o];return typeof a=="number"?r(a):a??""})}var D=class{dir;lang;#e;#t;constructor(e){this.lang=Rt(e),this.#t=ye[this.lang],this.dir=this.lang==="ar"?"rtl":"ltr",this.#e=e.toLowerCase().startsWith(this.lang)&&zt(e)?e:this.lang}t=(e,t={})=>Ot(this.#t[e],t,this.#e,this.number);number=e=>new Intl.NumberFormat(this.#e).format(e);size=e=>{let t=e>=1e6;return new Intl.NumberFormat(this.#e,{style:"unit",unit:t?"megabyte":"kilobyte",maximumFractionDigits:t?1:0}).format(t?e/1e6:Math.ceil(e/1e3))};time=e=>new Intl.DateTimeFormat(this.#e,{timeStyle:"short"}).format(e)},zt=n=>{try{return Intl.getCanonicalLocales(n).length>0}catch{return!1}},Mt={"registration.duplicate_title":"errTitle","registration.audio_too_large":"errTooLarge","registration.invalid_audio_format":"errFormat","registration.audio_empty":"errEmpty","registration.insufficient_credits":"errCredits","registration.dry_run_failed":"errRefused","registration.upload_missing":"errUpload","transaction.failed":"errRefused","transaction.expired":"errExpired","work.already_registered":"errRegistered","common.validation_failed":"badField","common.quota_exceeded":"errQuota","common.rate_limited":"errDown","session.rate_limited":"errDown","widget.network_error":"errNetwork","widget.upload_error":"errUpload","widget.configuration_error":"errOff"},W=n=>{let e=Mt[n];if(e)return e;let t=_(n);return t==="refresh"?"errSession":t==="disabled"?"errOff":/unavailable$/.test(n)?"errDown":"errOther"};var ke="ats-widget ",$e=new Set;function Xe(n,e){try{e?($e.add(n),sessionStorage.setItem(ke+n,JSON.stringify(e))):sessionStorage.removeItem(ke+n)}catch{}}function Ze(n){if(!$e.has(n)){$e.add(n);try{let e=JSON.parse(sessionStorage.getItem(ke+n)??"null"),{transactionId:t,wsUrl:r,statusUrl:i}=e??{};if(typeof t=="string"&&typeof r=="string"&&typeof i=="string")return{transactionId:t,wsUrl:r,statusUrl:i}}catch{}}}var qt=12e4,Dt=12e4,jt=30,Ft=3,J=class{constructor(e,t,r,i){this.env=e;this.target=t;this.tokens=r;this.notice=i}env;target;tokens;notice;resolve(e){try{let t=this.target.atsUrl.replace(/\/+$/,"");return new URL(e.startsWith("/")?t+e:e,t+"/").href}catch{throw new b("widget.malformed_response",{reason:"address"})}}async call(e,t,r,i){let s=this.resolve(t),o=0,a=0,l=0;try{for(;;){i.pending&&!this.tokens.value&&(await this.#e(i.pending,i.signal,new b("common.auth.missing_token")),l++);let d,m,p;try{({status:d,text:m,retryAfter:p}=await this.#t(e,s,i))}catch{if(i.signal.throwIfAborted(),this.env.online()||++a>2)throw new b("widget.network_error");await this.waitOnline(i.signal);continue}if(d>=200&&d<300)return Ut(m,r);let h=G(m)??new b("widget.malformed_response",{status:d});if(d===429&&o<2&&!(p>jt)){o++,this.notice("retry"),await this.env.sleep((p>=0?p:o)*1e3,i.signal);continue}if(i.pending&&_(h.problem.code)==="refresh"&&l++<Ft){await this.#e(i.pending,i.signal,h);continue}throw h}}finally{this.notice("")}}async waitOnline(e){this.notice("offline");let t=new AbortController,r=AbortSignal.any([e,t.signal]),i=this.env.untilOnline(r).then(()=>!0),s=this.env.sleep(Dt,r).then(()=>!1);i.catch(()=>{}),s.catch(()=>{});try{if(!await Promise.race([i,s]))throw new b("widget.network_error",{reason:"offline"})}finally{t.abort(),this.notice("")}}async#e(e,t,r){if(this.notice("token"),!await this.tokens.renew(e,this.env,t))throw r;this.notice("")}async#t(e,t,r){let i={"Content-Type":"application/json","X-Site-Key":this.target.siteKey};this.tokens.value&&(i.Authorization=`Bearer ${this.tokens.value}`);let s=await this.env.fetch(t,{method:e,headers:i,body:r.body===void 0?null:JSON.stringify(r.body),signal:AbortSignal.any([r.signal,AbortSignal.timeout(qt)]),credentials:"omit",cache:"no-store"}),o=s.headers.get("Retry-After");return{status:s.status,text:await s.text(),retryAfter:o!==null&&/^\d+$/.test(o)?Number(o):-1}}};function Ut(n,e){let t;try{t=JSON.parse(n)}catch{t=void 0}return Ae(t,e)}function Ae(n,e){if(typeof n!="object"||n===null)throw new b("widget.malformed_response");for(let[t,r]of Object.entries(e))if(typeof n[t]!==r)throw new b("widget.malformed_response",{field:t});return n}var Q=(n=0)=>({screen:"FORM",step:"song",phase:"preparing",file:null,title:"",creators:[V(n)],errors:{},notice:"",loaded:0,quoteOver:!1,steps:[],resume:"none"});function et(n,e){switch(e.type){case"draft":{let t=Object.fromEntries(Object.entries(n.errors).filter(([r])=>r!==e.path&&!(e.path==="creators"&&r.startsWith(e.path))));return{...n,...e.draft,errors:t}}case"step":return{...n,step:e.step,errors:{}};case"invalid":return{...n,errors:e.errors};case"notice":return n.notice===e.notice?n:{...n,notice:e.notice};case"sending":return{...j(n),screen:"UPLOAD",errors:{},loaded:0};case"opened":return{...n,jobId:e.jobId};case"progress":return n.screen==="UPLOAD"?{...n,loaded:e.loaded}:n;case"preparing":return{...j(n),screen:"CONFIRMING",phase:"preparing",quoteOver:!1};case"quoted":return{...n,screen:"CONFIRMING",phase:"review",quote:e.quote,quoteOver:!1};case"quoteOver":return n.screen==="CONFIRMING"&&n.phase==="review"?{...n,quoteOver:!0}:n;case"confirming":return{...j(n),screen:"CONFIRMING",phase:"confirming"};case"confirmed":{let t={...j(n),screen:"TRACKING",transactionId:e.transactionId};return e.accessCode?{...t,accessCode:e.accessCode}:t}case"tracked":return n.screen==="TRACKING"?{...n,steps:[...n.steps,e.step]}:n;case"completed":return{...j(n),screen:"COMPLETE",result:e.result,...e.result.accessCode&&{accessCode:e.result.accessCode}};case"problem":return Lt(n,e.problem,e.stage,e.ended);case"form":return tt(n,{});case"reset":return Q(n.creators.reduce((t,r)=>Math.max(t,r.id),0)+1)}}var j=({problem:n,...e})=>({...e,resume:"none",notice:""});function tt(n,e){let t=Object.keys(e),r=t.length>0&&t.every(i=>i.startsWith("creators"));return{...Q(),file:n.file,title:n.title,creators:n.creators,step:r||!t.length&&n.screen==="FORM"&&n.step==="creators"?"creators":"song",errors:e}}function Lt(n,e,t,r){let s=t!=="setup"&&t!=="track"?Vt(e,n):{};if(Object.keys(s).length)return tt(n,s);let o=_(e.code)==="disabled"?"DISABLED":"FAILED";return{...n,screen:o,problem:e,notice:"",resume:o==="DISABLED"?"none":Bt(e,t,r)}}function Bt(n,e,t){if(e==="setup")return"none";if(e==="track")return t&&Ht(n)||n.code==="transaction.not_found"?"form":"track";switch(n.code){case"work.already_registered":case"common.validation_failed":return"form";case"transaction.expired":case"transaction.not_found":return"init";case"registration.upload_missing":return"upload";case"registration.dry_run_failed":return"prepare"}return e}var Ht=n=>/^(transaction\.failed|registration|work|version)\b/.test(n.code);function Vt(n,e){let t=(i,s,o)=>({[i]:o?{key:s,values:o}:{key:s}}),r=i=>{let s=n.details?.[i];return typeof s=="number"?s:0};switch(n.code){case"registration.duplicate_title":return t("title","errTitle");case"registration.audio_empty":return t("file","errEmpty");case"registration.invalid_audio_format":return t("file","errFormat");case"registration.audio_too_large":{let i=r("max_bytes");return i?t("file","errLarge",{size:r("size_bytes")||(e.file?.size??0),max:i}):t("file","errTooLarge")}case"common.validation_failed":{let i={},s=n.details?.fields;for(let o of Array.isArray(s)?s:[]){let a=Ge(String(o?.field)),l=a&&/^creators\.(\d+)/.exec(a)?.[1];a&&(!l||Number(l)<e.creators.length)&&(i[a]={key:Kt[a.split(".").pop()]??"badField"})}return i}default:return{}}}var Kt={email:"badEmail",roles:"needRole",ipi:"badIpi",isni:"badIsni"},Y=n=>n.resume==="form"||!(n.transactionId||n.resume==="confirm"||n.screen==="CONFIRMING"&&n.phase==="confirming"),nt=(n,e)=>n.some(t=>t.id===e.id)?n.map(t=>t.id===e.id?e:t):[...n,e];var X=class{#e="";#t;#r;constructor(e){this.#r=e}get value(){return this.#e}set(e){this.#e=e,e&&this.#t?.()}clear(){this.#e=""}async renew(e,t,r){let i,s=new Promise(d=>i=()=>d(!0));this.#t=i;let o=new AbortController,a=AbortSignal.any([r,o.signal]),l=t.sleep(6e4,a).then(()=>!1);l.catch(()=>{});try{return this.#r(e),await Promise.race([s,l])}finally{this.#t===i&&(this.#t=void 0),o.abort()}}};var rt=3e3,Gt=12e4,Wt=6e4,E=class extends b{},Z=n=>typeof n=="object"&&n!==null?n:void 0,Se=n=>{let e=we(n)?.problem;return e?new E(e.code,e.details,e.requestId):new E("transaction.failed",typeof n=="string"?{reason:n}:void 0)};function it(n){let e=Ae(n,{tx_hash:"string",block_number:"number"}),t=Number(e.ats_id);if(!Number.isFinite(t))throw new b("widget.malformed_response",{field:"ats_id"});let r=s=>typeof s=="string"?s:"",i=r(e.access_code);return{atsId:t,txHash:e.tx_hash,blockNumber:e.block_number,blockHash:r(e.block_hash),explorerUrl:r(e.explorer_url),...i&&{accessCode:i}}}async function st(n,e){let t=-1,r=i=>{let s=Number(i.progress);typeof i.step!="string"||!(s>t)||(t=s,e.onStep({step:i.step,progress:s,...typeof i.description=="string"&&{description:i.description}}))};return await Jt(n,e,r)??await Qt(n,e,r)}function Jt(n,e,t){return new Promise((r,i)=>{e.signal.throwIfAborted();let s=new AbortController,o;try{o=n.env.socket(n.resolve(e.wsUrl).replace(/^http/,"ws"))}catch{r(void 0);return}let a=p=>{o.onmessage=o.onclose=o.onerror=null,e.signal.removeEventListener("abort",l),s.abort();try{o.close()}catch{}p()},l=()=>a(()=>i(e.signal.reason)),d=()=>a(()=>r(void 0)),m=()=>{s.abort();let p=s=new AbortController;n.env.sleep(Wt,p.signal).then(d,()=>{})};e.signal.addEventListener("abort",l,{once:!0}),o.onclose=o.onerror=d,o.onmessage=({data:p})=>{let h;try{h=Z(JSON.parse(String(p)))}catch{h=void 0}try{if(h?.type==="error")a(()=>i(Se(h.error)));else if(h?.type==="update")if(h.step==="failed")a(()=>i(Se(Z(h.details)?.error)));else{if(t(h),h.step==="completed"){let y=it(h.details);a(()=>r(y));return}m()}else h?.type==="connected"?m():h||d()}catch{d()}},m()})}async function Qt(n,e,t){let r=n.env.now()+Gt,i=new b("widget.network_error",{reason:"timeout"});for(;;){try{let s=await n.call("GET",e.statusUrl,{is_complete:"boolean"},{signal:e.signal});if(Array.isArray(s.steps))for(let a of s.steps)Z(a)&&t(a);typeof s.current_step=="string"&&s.current_step!=="failed"&&t({...s,step:s.current_step});let o=Z(s.result);if(s.is_complete&&o){if(o.success!==!0)throw Se(o.error);return it(o)}}catch(s){if(e.signal.throwIfAborted(),s instanceof E||!(s instanceof b)||s.problem.code==="transaction.not_found")throw s;i=s}if(n.env.now()+rt>r)throw i;await n.env.sleep(rt,e.signal)}}var ot=[1e3,2e3];async function at(n,e){let t=e.slot,r=0,i=0,s=0;for(;;){!n.env.online()&&s++<3&&await n.waitOnline(e.signal);let o=await n.env.put(n.resolve(t.url),e.file,e.onProgress,e.signal);if(o.status>=200&&o.status<300)return;let a=G(o.body),l=a&&_(a.problem.code);if(o.status===413&&l!=="inline")throw new b("registration.audio_too_large",{size_bytes:e.file.size});if(a&&(l==="inline"||l==="disabled"))throw a;if((o.status===403||o.status===410||!o.status&&n.env.now()>Date.parse(t.expiresAt))&&i<2){i++,t=await e.renew();continue}if(!(!o.status&&!n.env.online()&&s<3)){if(r>=ot.length)throw new b("widget.upload_error",{status:o.status,...a&&{code:a.problem.code,request_id:a.problem.requestId}});n.notice("retry"),await n.env.sleep(ot[r++],e.signal),n.notice("")}}}var Yt=5*6e4,ee=class{state=Q();maxBytes=0;tokens;#e;#t=new AbortController;#r="init";#n;#d;#i;#s=-1;constructor(e){this.#e=e,this.tokens=new X(t=>e.emit("allfeat:token-expired",{pendingAction:t})),this.#n=this.#l()}dispatch(e){let t=et(this.state,e);t!==this.state&&(this.state=t,this.#e.changed())}choose(e){this.dispatch({type:"draft",path:"file",draft:{file:e}});let t=ve(e,this.maxBytes);t&&(this.dispatch({type:"invalid",errors:{...this.state.errors,file:t}}),this.#h(e.size?{code:"registration.audio_too_large",requestId:null,details:{size_bytes:e.size,max_bytes:this.maxBytes}}:{code:"registration.audio_empty",requestId:null},"file"))}next(){let e=be(this.state,this.maxBytes);Object.keys(e).length?this.dispatch({type:"invalid",errors:e}):this.dispatch({type:"step",step:"creators"})}submit(){if(this.state.screen!=="FORM")return;let e=be(this.state,this.maxBytes),t={...e,...Ve(this.state.creators)};if(Object.keys(t).length){Object.keys(e).length&&this.dispatch({type:"step",step:"song"}),this.dispatch({type:"invalid",errors:t});return}this.resume("init")}confirm(){let{screen:e,phase:t,quoteOver:r}=this.state;e==="CONFIRMING"&&t==="review"&&!r&&this.resume("confirm")}requote(){this.state.screen==="CONFIRMING"&&this.state.phase==="review"&&this.resume("prepare")}retry(){this.state.screen==="FAILED"&&this.resume(this.state.resume)}edit(){Y(this.state)&&(this.#o(),this.dispatch({type:"form"}))}reset(){this.#o(),this.tokens.clear(),this.#e.remember(void 0),this.dispatch({type:"reset"}),this.#e.emit("allfeat:token-expired",{pendingAction:"reset"})}recall(e){this.#i=e,this.#n=this.#l(),this.resume("track")}abandon(){this.state.screen==="UPLOAD"&&this.edit()}refuse(e){this.#o(),this.#g(new b(e.code,e.details,e.requestId),"setup")}resume(e){if(e==="none")return;if(e==="form")return this.edit();this.#o();let t=this.#t.signal;this.#u(e,t).catch(r=>{t.aborted||this.#g(r,this.#r)})}#o(){this.#t.abort(),this.#t=new AbortController}async#u(e,t){if(e==="init"&&(this.#n=this.#l()),(e==="init"||e==="upload")&&(this.dispatch({type:"sending"}),(e==="init"||!this.#d)&&(this.#d=await this.#a(t)),await this.#p(this.#d,t),e="prepare"),e==="prepare"){let r=await this.#f(t);this.dispatch({type:"quoted",quote:r}),await this.#e.env.sleep(r.expiresAt-this.#e.env.now(),t),this.dispatch({type:"quoteOver"});return}e==="confirm"&&await this.#b(t),await this.#c(t)}async#a(e){this.#r="init";let{file:t,title:r,creators:i}=this.state,{network:s,externalUserId:o}=this.#n.target,a=await this.#n.call("POST","/v1/works/init",{job_id:"string",upload_url:"string"},{pending:"init",signal:e,body:{title:r.trim(),creators:Ke(i),filename:t.name,network:s,...o&&{external_user_ref:o},size_bytes:t.size}});return this.dispatch({type:"opened",jobId:a.job_id}),{url:a.upload_url,expiresAt:String(a.upload_expires_at)}}async#p(e,t){this.#r="upload",this.#s=-1;let r=this.state.file,{name:i,size:s}=r;this.#e.emit("allfeat:upload-start",{filename:i,size:s}),await at(this.#n,{file:r,slot:e,renew:async()=>this.#d=await this.#a(t),onProgress:o=>this.#m(Math.min(o,s),s),signal:t}),this.#m(s,s),this.#e.emit("allfeat:upload-complete",{filename:i})}#m(e,t){let r=t?Math.floor(e/t*100):100;r!==this.#s&&(this.#s=r,this.dispatch({type:"progress",loaded:e}),this.#e.emit("allfeat:upload-progress",{progress:r,loaded:e,total:t}))}async#f(e){this.#r="prepare",this.dispatch({type:"preparing"});let t=await this.#n.call("POST","/v1/works/prepare",{commitment:"string",total_price_credits:"number",is_valid:"boolean",expires_at:"string"},{pending:"prepare",signal:e,body:{job_id:this.state.jobId}});if(!t.is_valid)throw new b("registration.dry_run_failed");let r=this.#e.env.now(),i=Date.parse(t.expires_at),s=[["feeNetwork",Number(t.network_fee_credits)],["feeDeposit",Number(t.total_deposit_credits)],["feeService",Number(t.service_fee_credits)],["feeStorage",Number(t.storage_fee_credits)]];return{total:t.total_price_credits,parts:s.filter(([,o])=>o>0),commitment:t.commitment,expiresAt:i>r?i:r+Yt}}async#b(e){this.#r="confirm",this.dispatch({type:"confirming"});let t,r;try{let i=await this.#n.call("POST","/v1/works/confirm",{transaction_id:"string",ws_url:"string",status_url:"string"},{pending:"confirm",signal:e,body:{job_id:this.state.jobId}});t=i.transaction_id,r=typeof i.access_code=="string"?i.access_code:void 0,this.#i={transactionId:t,wsUrl:i.ws_url,statusUrl:i.status_url}}catch(i){let s=i instanceof b?i.problem:void 0;if(s?.code!=="transaction.already_confirmed"||typeof s.details?.transaction_id!="string")throw i;t=s.details.transaction_id,this.#i={transactionId:t,wsUrl:`v1/ws/transactions/${encodeURIComponent(t)}`,statusUrl:`v1/transactions/${encodeURIComponent(t)}`}}this.#e.remember(this.#i),this.dispatch({type:"confirmed",transactionId:t,accessCode:r}),this.#e.emit("allfeat:confirmed",{transactionId:t})}async#c(e){this.#r="track";let t=this.#i;this.state.screen!=="TRACKING"&&this.dispatch({type:"confirmed",transactionId:t.transactionId});let r=this.state.steps.at(-1)?.progress??-1,i=await st(this.#n,{wsUrl:t.wsUrl,statusUrl:t.statusUrl,signal:e,onStep:m=>{m.progress<=r||(r=m.progress,this.dispatch({type:"tracked",step:m}),this.#e.emit("allfeat:step",{...m}))}});this.#e.remember(void 0),this.dispatch({type:"completed",result:i});let{atsId:s,txHash:o,blockNumber:a,explorerUrl:l}=i,d=this.state.accessCode;this.#e.emit("allfeat:complete",{atsId:s,txHash:o,blockNumber:a,explorerUrl:l,...d&&{accessCode:d}})}#g(e,t){let r=xe(e),i=e instanceof E;this.dispatch({type:"problem",problem:r,stage:t,ended:i}),t==="track"&&this.state.resume==="form"&&this.#e.remember(void 0),this.state.screen==="FORM"?this.#h(r,Object.keys(this.state.errors)[0].split(".")[0]):this.#e.emit("allfeat:failed",lt(r))}#h(e,t){this.#e.emit("allfeat:error",{...lt(e),stage:t})}#l(){return new J(this.#e.env,this.#e.target(),this.tokens,e=>this.dispatch({type:"notice",notice:e}))}async limits(){let e=this.#l();try{let t=await e.call("GET",`/v1/stats?network=${encodeURIComponent(e.target.network)}`,{max_audio_size_bytes:"number"},{signal:this.#t.signal}),r=t.supported_formats;return{maxBytes:t.max_audio_size_bytes,formats:Array.isArray(r)?r.filter(i=>typeof i=="string"):[]}}catch(t){let r=xe(t);return _(r.code)==="disabled"&&this.state.screen==="FORM"&&this.refuse(r),{maxBytes:0,formats:[]}}}},lt=n=>({code:n.code,message:Ye(n),requestId:n.requestId,...n.details&&{details:n.details}});var v=n=>u`<h2 tabindex="-1" data-ats="heading">${n}</h2>`,F=(n,e)=>{let t=n.state.errors[e];return t?u`<p class="err" id=${`e-${e}`} data-ats=${`error-${e}`}>${Xt(n,t)}</p>`:c},Xt=(n,e)=>{let{size:t,max:r}=e.values??{};return e.key==="errLarge"?n.texts.t(e.key,{size:n.texts.size(Number(t)),max:n.texts.size(Number(r))}):n.texts.t(e.key,e.values)},te=(n,e)=>n.state.errors[e]?`e-${e}`:c,U=(n,e)=>n.state.errors[e]?"true":c,Ee=(n,e,t,r)=>u`<div class="copy"><span class="small">${e}: <code data-ats=${r}>${t}</code></span>${Ie(n,t,r)}</div>`,Ie=(n,e,t)=>u`<button type="button" data-ats=${`copy-${t}`} @click=${r=>n.act.copy(e,r.currentTarget)}>${n.texts.t(n.copied===e?"copied":"copy")}</button>`,ne=n=>{let e=n.state.notice;return e?u`<p class="note" data-ats="notice">${n.texts.t(Ce(e))}</p>`:c},Ce=n=>n==="token"?"waitToken":n==="offline"?"waitOnline":"waitRetry",L=(n,e=!1)=>u`<svg viewBox="0 0 24 24" aria-hidden="true" class=${e?"turn":""}>${n}</svg>`,dt=()=>L(P`<path d="M3 10v4M7.5 6v12M12 3v18M16.5 7v10M21 10v4" />`),re=()=>L(P`<path d="m5 12.5 4.5 4.5L19 7.5" />`),ct=()=>L(P`<path d="M12 7v6m0 3.5v.01M12 3 2.5 20h19z" />`),ut=()=>L(P`<circle cx="12" cy="12" r="5" opacity=".5" />`),pt=()=>L(P`<path d="M12 3a9 9 0 1 1-9 9" />`,!0);var Zt=n=>/^https?:\/\//i.test(n)?n:"",mt=n=>{let e=n.state.accessCode,t=n.texts.t;return e?u`<section class="key stack tight" part="access-code" aria-labelledby="l-code"><strong id="l-code">${t("code")}</strong><code data-ats="access-code">${e}</code><p class="soft">${t("codeText")}</p><div class="acts"><button type="button" class="main" part="button" data-ats="save-access-code" @click=${n.act.save}>${t("save")}</button>${Ie(n,e,"access-code")}</div></section>`:c};function gt(n){let{state:e}=n,t=n.texts.t,r=e.result;if(!r)return c;let i=Zt(r.explorerUrl);return u`<div class="stack"><div class="seal">${re()}</div><div class="stack tight">${v(t("done"))}<p class="soft">${t("doneText")}</p></div><dl class="facts">${e.title.trim()?u`<div><dt>${t("title")}</dt><dd><bdi>${e.title.trim()}</bdi></dd></div>`:c}<div><dt>${t("number")}</dt><dd class="total" data-ats="ats-id">${r.atsId}</dd></div></dl>${mt(n)}<div class="acts">${i?u`<a class="link" data-ats="explorer" href=${i} target="_blank" rel="noopener noreferrer">${t("view")}</a>`:c}<button type="button" class="plain" data-ats="again" @click=${n.act.again}>${t("again")}</button></div><details><summary data-ats="technical">${t("technical")}</summary><div class="stack tight"><p class="small">${t("block")}: <code data-ats="block">${r.blockNumber}</code></p>${Ee(n,t("transaction"),r.txHash,"tx-hash")}</div></details></div>`}function ht(n){let{state:e,flow:t}=n,r=n.texts.t,i=e.problem;if(!i)return c;let s=e.screen==="DISABLED"||i.code==="widget.configuration_error",o=e.resume==="track";return u`<div class="stack"><div class="seal bad">${ct()}</div><div class="stack tight">${v(r(s?"off":"failed"))}<p data-ats="message">${r(W(i.code))}</p>${s?c:u`<p class="soft">${r(o?"noDouble":"kept")}</p>`}</div>${mt(n)}${e.resume==="none"?c:u`<div class="acts"><button type="button" class="main" part="button" data-ats="retry" @click=${()=>t.retry()}>${r(o?"check":"retry")}</button>${e.resume==="form"||!Y(e)?c:u`<button type="button" class="plain" data-ats="edit" @click=${()=>t.edit()}>${r("edit")}</button>`}</div>`}<div class="stack tight">${i.requestId?Ee(n,r("reference"),i.requestId,"request-id"):c}<p class="small"><code data-ats="code">${i.code}</code></p></div></div>`}var en="audio/*,.wav,.aif,.aiff,.flac,.mp3,.m4a,.aac,.ogg,.oga,.opus,.webm",tn="WAV, AIFF, FLAC, MP3, M4A, Ogg",ft=n=>n.state.step==="song"?nn(n):rn(n);function nn(n){let{state:e,texts:t,flow:r}=n,i=t.t,s=n.formats.length?n.formats.join(", "):tn,o=a=>l=>(l.preventDefault(),n.act.drag(a));return u`<form class="stack" novalidate data-ats="form-song" @submit=${a=>(a.preventDefault(),r.next())}><div class="stack tight">${v(i("heading"))}<p class="soft">${i("intro")}</p></div><div class="stack tight"><label id="l-file" for="file">${i("file")}</label><input class="pick hide" type="file" id="file" data-ats="file" accept=${en} aria-labelledby="l-file file-name" aria-invalid=${U(n,"file")} aria-describedby=${"file-hint e-file"} @change=${a=>n.act.file(a.target.files?.[0])} /><label class="drop ${n.dragging?"over":""} ${e.file?"has":""} ${e.errors.file?"bad":""}" for="file" part="dropzone" data-ats="dropzone" @dragover=${o(!0)} @dragleave=${o(!1)} @drop=${a=>(o(!1)(a),n.act.file(a.dataTransfer?.files[0]))}>${dt()}<span id="file-name">${e.file?u`<strong><bdi data-ats="file-name">${e.file.name}</bdi></strong> <span class="soft" data-ats="file-size">${t.size(e.file.size)}</span>`:u`<b>${i("choose")}</b> ${i("drop")}`}</span>${e.file?u`<b class="small">${i("choose")}</b>`:c}</label><p class="small" id="file-hint">${s}${r.maxBytes?u`<br />${i("max",{max:t.size(r.maxBytes)})}`:c}</p>${F(n,"file")}</div><div class="stack tight"><label for="title">${i("title")}</label><input id="title" data-ats="title" dir="auto" autocomplete="off" .value=${e.title} aria-invalid=${U(n,"title")} aria-describedby=${te(n,"title")} @input=${a=>r.dispatch({type:"draft",path:"title",draft:{title:bt(a)}})} />${F(n,"title")}</div><div class="acts"><button class="main" part="button" data-ats="next">${i("next")}</button></div></form>`}var bt=n=>n.target.value;function rn(n){let{state:e,flow:t}=n,r=n.texts.t;return u`<form class="stack" novalidate data-ats="form-creators" @submit=${i=>(i.preventDefault(),t.submit())}><div class="stack tight">${v(r("whoHeading"))}<p class="soft">${r("whoIntro")}</p></div>${e.creators.map((i,s)=>sn(n,i,s))}${e.creators.length<20?u`<button type="button" data-ats="add-creator" @click=${n.act.addCreator}>+ ${r("add")}</button>`:c}<div class="acts"><button class="main" part="button" data-ats="submit">${r("submit")}</button><button type="button" class="plain" data-ats="back" @click=${()=>t.dispatch({type:"step",step:"song"})}>${r("back")}</button></div></form>`}function sn(n,e,t){let r=n.texts.t,i=l=>`creators.${t}.${l}`,s=(l,d)=>n.flow.dispatch({type:"draft",path:i(l),draft:{creators:nt(n.state.creators,{...e,...d})}}),o=(l,d,m)=>u`<div class="stack tight"><label for=${i(l)}>${d}</label><input id=${i(l)} data-ats=${`creator-${t}-${l}`} type=${m.type??"text"} dir=${l==="fullName"?"auto":"ltr"} autocomplete=${m.complete??"off"} .value=${e[l]} aria-invalid=${U(n,i(l))} aria-describedby=${te(n,i(l))} @input=${p=>s(l,{[l]:bt(p)})} />${F(n,i(l))}</div>`,a=!!(n.state.errors[i("ipi")]||n.state.errors[i("isni")]);return u`<fieldset class="who stack" part="creator" data-ats=${`creator-${t}`}><legend class="hide">${r("creator",{n:t+1})}</legend><div class="top"><strong aria-hidden="true" id=${i("name")}>${r("creator",{n:t+1})}</strong>${n.state.creators.length>1?u`<button type="button" class="plain" data-ats=${`remove-creator-${t}`} id=${i("remove")} aria-labelledby=${`${i("remove")} ${i("name")}`} @click=${()=>n.act.removeCreator(t)}>${r("remove")}</button>`:c}</div>${o("fullName",r("name"),{complete:t?"off":"name"})}${o("email",r("email"),{type:"email",complete:t?"off":"email"})}<fieldset id=${i("roles")} aria-describedby=${te(n,i("roles"))}><legend>${r("roles")}</legend><div class="checks">${fe.map(l=>u`<label ><input type="checkbox" data-ats=${`creator-${t}-${l}`} .checked=${e.roles[l]} aria-invalid=${U(n,i("roles"))} @change=${d=>s("roles",{roles:{...e.roles,[l]:d.target.checked}})} />${r(l)}</label >`)}</div>${F(n,i("roles"))}</fieldset><details ?open=${a||!!(e.ipi||e.isni)}><summary data-ats=${`creator-${t}-numbers`}>${r("numbers")}</summary><div class="pair">${o("ipi","IPI",{})} ${o("isni","ISNI",{})}</div></details></fieldset>`}function vt(n){let{state:e,texts:t,flow:r}=n,i=t.t,s=e.file?.size??0;return u`<div class="stack">${v(i("sending"))}<p class="soft"><bdi data-ats="file-name">${e.file?.name}</bdi></p><div class="stack tight"><progress max=${s||1} .value=${e.loaded} aria-label=${i("sending")} data-ats="progress" part="progress"></progress><p class="small" data-ats="progress-text">${i("sent",{loaded:t.size(e.loaded),total:t.size(s)})}</p></div>${ne(n)}<p class="soft">${i("keepOpen")}</p><div class="acts"><button type="button" data-ats="cancel" @click=${()=>r.edit()}>${i("cancel")}</button></div></div>`}var yt=n=>n.state.phase==="review"?an(n):on(n);function on(n){let e=n.texts.t,t=n.state.phase==="preparing";return u`<div class="stack">${v(e(t?"preparing":"confirming"))}<progress aria-label=${e(t?"preparing":"confirming")} data-ats="progress" part="progress"></progress>${ne(n)}${t?u`<div class="acts"><button type="button" data-ats="cancel" @click=${()=>n.flow.edit()}>${e("cancel")}</button></div>`:c}</div>`}function an(n){let{state:e,texts:t,flow:r}=n,i=t.t,s=e.quote;return s?u`<div class="stack">${v(i("review"))}<dl class="facts" data-ats="review"><div><dt>${i("title")}</dt><dd><bdi>${e.title.trim()}</bdi></dd></div><div><dt>${i("file")}</dt><dd><bdi>${e.file?.name}</bdi></dd></div><div><dt>${i("by")}</dt>${e.creators.map(o=>u`<dd><bdi>${o.fullName.trim()}</bdi></dd>`)}</div><div><dt>${i("stepPrice")}</dt><dd class="total" data-ats="price">${i("credits",{n:s.total})}</dd></div></dl>${e.quoteOver?u`<p class="note" role="status" data-ats="quote-over">${i("quoteOver")}</p>`:u`<p class="soft" data-ats="quote-until">${i("until",{time:t.time(s.expiresAt)})}</p>`}<div class="acts">${e.quoteOver?u`<button type="button" class="main" part="button" data-ats="requote" @click=${()=>r.requote()}>${i("requote")}</button>`:u`<button type="button" class="main" part="button" data-ats="confirm" @click=${()=>r.confirm()}>${i("agree")}</button>`}<button type="button" class="plain" data-ats="edit" @click=${()=>r.edit()}>${i("edit")}</button></div><details><summary data-ats="technical">${i("technical")}</summary><dl class="lines">${s.parts.map(([o,a])=>u`<dt>${i(o)}</dt><dd>${i("credits",{n:a})}</dd>`)}</dl><p class="small">${i("fingerprint")}: <code data-ats="commitment">${s.commitment}</code></p></details></div>`:c}var Te=[["stepCheck",5],["stepSend",40],["stepFinal",80],["completed",100]],_t=n=>Math.max(0,Te.findLastIndex(([,e])=>n>=e)),wt=n=>Te[_t(n)][0];function xt(n){let{state:e}=n,t=n.texts.t,r=e.steps.at(-1)?.progress??0,i=_t(r);return u`<div class="stack"><div class="stack tight">${v(t("tracking"))}<p class="soft">${t("trackingText")}</p></div><progress max="100" .value=${r} aria-label=${t("tracking")} data-ats="progress" part="progress" ></progress><ol class="steps" data-ats="steps">${Te.map(([s],o)=>u`<li class=${o<i?"past":""} aria-current=${o===i?"step":c} data-ats="step" >${o<i?re():o===i?pt():ut()} ${t(s)}</li>`)}</ol>${ne(n)}</div>`}var kt=':host{--_p: var(--ats-primary, #4b3fb5);--_ink: var(--ats-text, light-dark(#1d1b29, #f3f2f8));--_soft: var(--ats-text-secondary, light-dark(#514e63, #c4c1d4));--_faint: var(--ats-text-muted, light-dark(#676479, #a5a2b8));--_bg: var(--ats-background, light-dark(#fff, #1a1924));--_bg2: var(--ats-background-secondary, light-dark(#f6f5fb, #252433));--_line: var(--ats-border, light-dark(#dcdae8, #3c3a4f));--_edge: light-dark(#85829a, #85829a);--_r: var(--ats-radius, 10px);--_rl: var(--ats-radius-lg, 18px);--_err: var(--ats-error, light-dark(#b3261e, #ffb4ab));--_err2: var(--ats-error-light, light-dark(#fdeeec, #43211f));--_ok: var(--ats-success, light-dark(#17663c, #8fdcae));--_ok2: var(--ats-success-light, light-dark(#e8f6ee, #173527));--_warn: var(--ats-warning, light-dark(#7a4f00, #f5cd7d));--_warn2: var(--ats-warning-light, light-dark(#fdf4df, #3a2e12));--_sh: var(--ats-shadow, 0 1px 2px light-dark(#1d1b2914, #0006));--_shl: var(--ats-shadow-lg, 0 12px 40px light-dark(#1d1b291a, #0008));--_tr: var(--ats-transition, .18s ease);--_white: clamp(0, (.179 - y) * 9999, 1);--_on: color(from var(--_p) xyz-d65 calc(.9505 * var(--_white)) calc(var(--_white)) calc(1.089 * var(--_white)) / 1);--_away: calc(1 - var(--_white));--_off: color(from var(--_p) xyz-d65 calc(.9505 * var(--_away)) calc(var(--_away)) calc(1.089 * var(--_away)) / 1);--_hover: color-mix(in oklab, var(--_p), var(--_off) 14%);--_tint: color-mix(in oklab, var(--_p) 10%, var(--_bg));--_k: min(1, .15 / y);--_d: max(0, .32 - y);--_acc: light-dark( color(from var(--_p) xyz-d65 calc(x * var(--_k)) calc(y * var(--_k)) calc(z * var(--_k)) / 1), color(from var(--_p) xyz-d65 calc(x + .9505 * var(--_d)) calc(y + var(--_d)) calc(z + 1.089 * var(--_d)) / 1) );display:block;container-type:inline-size;max-inline-size:36rem;margin-inline:auto;color:var(--_ink);font-family:var(--ats-font-family, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif);font-size:1rem;line-height:1.5;text-align:start}:host([hidden]){display:none}*{box-sizing:border-box;margin:0}.card{background:var(--_bg);border:1px solid var(--_line);border-radius:var(--_rl);box-shadow:var(--_shl);padding:1.25rem 1rem;overflow-wrap:anywhere}.stack{display:grid;grid-template-columns:minmax(0,1fr);gap:1.125rem}.tight{gap:.375rem}h2{font-size:1.375rem;line-height:1.25;letter-spacing:-.01em;text-wrap:balance}h2:focus{outline:none}p{text-wrap:pretty}.soft{color:var(--_soft)}.small{font-size:.875rem;color:var(--_faint)}.hide{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}.path{display:flex;gap:.375rem;list-style:none;padding:0;margin-block-end:1.25rem;font-size:.8125rem;color:var(--_faint)}.path li{flex:1;border-block-start:4px solid var(--_line);border-radius:2px;padding-block-start:.375rem;transition:border-color var(--_tr)}.path .past,.path [aria-current]{border-color:var(--_acc)}.path [aria-current]{color:var(--_ink);font-weight:600}label,legend,dt{font-weight:600;font-size:.9375rem;padding:0}input:not([type=checkbox],[type=file]){font:inherit;color:inherit;background:var(--_bg);inline-size:100%;min-block-size:2.875rem;padding:.5rem .75rem;border:1px solid var(--_edge);border-radius:var(--_r);transition:border-color var(--_tr)}input[aria-invalid=true]:not([type=file]){border-color:var(--_err)}:focus-visible,.pick:focus-visible+.drop{outline:3px solid var(--_acc);outline-offset:2px}.err{color:var(--_err);font-size:.9375rem}.drop{display:grid;justify-items:center;gap:.25rem;padding:1.5rem 1rem;text-align:center;border:2px dashed var(--_edge);border-radius:var(--_r);background:var(--_bg2);cursor:pointer;transition:background var(--_tr),border-color var(--_tr);font-weight:400}.drop:hover,.drop.over{border-color:var(--_acc);background:var(--_tint)}.drop.bad{border-color:var(--_err)}.drop.has{border-style:solid}.drop svg{color:var(--_acc)}.drop b{text-decoration:underline;text-underline-offset:.2em}svg{inline-size:2.5rem;block-size:2.5rem;fill:none;stroke:currentColor;stroke-width:1.75;stroke-linecap:round;stroke-linejoin:round;flex:none}fieldset{border:0;padding:0;min-inline-size:0}.who{border:1px solid var(--_line);border-radius:var(--_r);padding:1rem;background:var(--_bg2)}.who .top{display:flex;align-items:center;justify-content:space-between;min-block-size:2.75rem}.checks{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.25rem,1fr));gap:.5rem;margin-block-start:.375rem}.checks label{display:flex;align-items:center;gap:.5rem;min-block-size:2.75rem;padding-inline:.75rem;border:1px solid var(--_edge);border-radius:var(--_r);background:var(--_bg);font-weight:400;cursor:pointer}.checks label:has(:checked){border-color:var(--_acc);background:var(--_tint)}input[type=checkbox]{accent-color:var(--_acc);inline-size:1.125rem;block-size:1.125rem;flex:none}summary{cursor:pointer;min-block-size:2.75rem;align-content:center;color:var(--_soft);font-size:.9375rem;border-radius:var(--_r)}.pair{display:grid;gap:1.125rem;grid-template-columns:minmax(0,1fr)}button,.link{font:inherit;font-weight:600;display:inline-flex;align-items:center;justify-content:center;min-block-size:2.875rem;min-inline-size:2.75rem;padding:.5rem 1.125rem;border:1px solid var(--_edge);border-radius:var(--_r);background:var(--_bg);color:inherit;cursor:pointer;text-align:center;text-decoration:none;transition:background var(--_tr),border-color var(--_tr)}button:hover,.link:hover{border-color:var(--_acc);background:var(--_tint)}.main{border-color:var(--_acc);background:var(--_p);color:var(--_on);box-shadow:var(--_sh)}.main:hover{background:var(--_hover)}.plain{border-color:transparent;background:none;padding-inline:.5rem;color:var(--_soft)}.acts{display:flex;flex-direction:column;gap:.625rem}progress{appearance:none;display:block;inline-size:100%;block-size:.75rem;border:0;border-radius:1rem;overflow:hidden;background:var(--_bg2);box-shadow:inset 0 0 0 1px var(--_line)}progress::-webkit-progress-bar{background:none}progress::-webkit-progress-value{background:var(--_acc);border-radius:1rem;transition:inline-size var(--_tr)}progress::-moz-progress-bar{background:var(--_acc);border-radius:1rem}.note{padding:.75rem 1rem;border-radius:var(--_r);background:var(--_warn2);color:var(--_warn)}.note.bad{background:var(--_err2);color:var(--_err)}.note.good{background:var(--_ok2);color:var(--_ok)}.facts{display:grid;gap:.75rem;padding:1rem;border-radius:var(--_r);background:var(--_bg2)}.facts dd+dt{margin-block-start:.25rem}dt{color:var(--_faint);font-weight:400;font-size:.875rem}dd{font-weight:600}.total{font-size:1.5rem;font-weight:700;line-height:1.2}.lines{display:grid;grid-template-columns:1fr auto;gap:.375rem 1rem;padding-block:.25rem .5rem}code{font-family:ui-monospace,Cascadia Mono,Noto Sans Mono,Menlo,monospace;font-size:.9em;direction:ltr;unicode-bidi:isolate;user-select:all}.key{padding:1rem;border:1px solid var(--_acc);border-radius:var(--_r);background:var(--_tint)}.key code{font-size:1.0625rem;line-height:1.6}.copy{display:flex;flex-wrap:wrap;align-items:center;justify-content:space-between;gap:.25rem .75rem}.steps{list-style:none;padding:0;display:grid;gap:.625rem}.steps li{display:flex;align-items:center;gap:.75rem;color:var(--_faint)}.steps svg{inline-size:1.5rem;block-size:1.5rem;stroke-width:2.25}.steps .past{color:var(--_ink)}.steps .past svg{color:var(--_ok)}.steps [aria-current]{color:var(--_ink);font-weight:600}.steps [aria-current] svg{color:var(--_acc)}.seal{display:grid;place-items:center;inline-size:4rem;block-size:4rem;border-radius:50%;background:var(--_ok2);color:var(--_ok)}.seal.bad{background:var(--_err2);color:var(--_err)}.turn{animation:turn 1.4s linear infinite}@keyframes turn{to{rotate:1turn}}@container (min-width: 480px){.card{padding:2rem}.acts{flex-direction:row-reverse;justify-content:flex-start;flex-wrap:wrap}.pair{grid-template-columns:repeat(2,minmax(0,1fr))}.path{font-size:.875rem}}@media(prefers-reduced-motion:reduce){*{transition:none!important;animation:none!important}}';var ie;function $t(){return ie||(ie=new CSSStyleSheet,ie.replaceSync(kt)),ie}var dn=5e3,se={siteKey:"site-key",atsUrl:"ats-url",network:"network",mode:"mode",externalUserId:"external-user-id",maxFileSize:"max-file-size"},B=class extends f{static observedAttributes=[...Object.values(se),"token","lang"];#e=this.attachShadow({mode:"open"});#t;#r={dragging:!1,copied:"",formats:[]};#n=new D("en");#d=0;#i=!1;#s="";#o="";#u={};#a="";#p;#m;#f=!1;#b=!1;constructor(){super();for(let e of["focusin","click"])this.#e.addEventListener(e,()=>this.#b=!0);this.#t=new ee({env:We,emit:(e,t)=>this.#h(e,t),target:()=>({siteKey:this.siteKey,atsUrl:this.atsUrl,network:this.network,externalUserId:this.externalUserId}),changed:()=>this.#c(),remember:e=>Xe(this.#g,e)})}get token(){return null}set token(e){this.setToken(e??"")}setToken(e){this.#t.tokens.set(String(e??"").trim())}reset(){this.#t.reset(),this.#s="",this.#c()}getState(){let{screen:e,jobId:t,transactionId:r,accessCode:i,result:s}=this.#t.state;return{screen:e,...t&&{jobId:t},...r&&{transactionId:r},...s&&{atsId:s.atsId},...i&&{accessCode:i}}}attributeChangedCallback(e,t,r){if(e==="token"){if(r===null)return;this.setToken(r),this.removeAttribute("token")}else e==="lang"&&this.#l();this.#c()}connectedCallback(){this.#e.adoptedStyleSheets=[$t()];for(let e of["token",...Object.keys(se)]){if(!Object.hasOwn(this,e))continue;let t=this[e];delete this[e],this[e]=t}clearTimeout(this.#m),this.#l(),this.#p=new MutationObserver(()=>this.#l()),this.#p.observe(g.documentElement,{attributeFilter:["lang"]}),this.#y()}disconnectedCallback(){this.#p?.disconnect(),this.#y(),this.#m=setTimeout(()=>this.#t.abandon(),dn)}#c(){this.#i||(this.#i=!0,queueMicrotask(()=>{if(this.#i=!1,!this.isConnected&&!this.#o)return;let e=this.#w();He(this.#$(),this.#e),this.#C(),e?.()}))}get#g(){return[this.atsUrl,this.siteKey,this.network,this.id].join(" ")}#h(e,t){this.dispatchEvent(new q(e,t))}#l(){let e=this,t="";for(;e&&!t;)e instanceof Element&&(t=e.getAttribute("lang")??""),e=e.parentNode??(e instanceof ShadowRoot?e.host:null);this.#n=new D(t||navigator.language||"en"),this.#c()}#w(){let e=[this.#d,this.maxFileSize].filter(a=>a>0);this.#t.maxBytes=e.length?Math.min(...e):0;let t=Object.values(se).map(a=>this.getAttribute(a)).join(`
`);if(t===this.#s)return;let{screen:r,problem:i}=this.#t.state,s=r==="DISABLED"||i?.code==="widget.configuration_error";if(this.#s&&r!=="FORM"&&!s)return;this.#s=t;let o=this.#x();return o?()=>this.#t.refuse({code:"widget.configuration_error",requestId:null,details:{reason:o}}):(s&&this.#t.dispatch({type:"form"}),()=>{this.#h("allfeat:ready",{mode:this.mode});let a=this.#t.state.screen==="FORM"&&Ze(this.#g);a&&this.#t.recall(a),this.#t.limits().then(({maxBytes:l,formats:d})=>{this.#s===t&&(this.#d=l,this.#v({formats:d.map(cn)}))})})}#v(e){Object.assign(this.#r,e),this.#c()}#x(){if(!this.siteKey)return"site-key is missing";if(!this.atsUrl)return"ats-url is missing";try{if(!/^https?:$/.test(new URL(this.atsUrl).protocol))throw 0}catch{return"ats-url is not an absolute http or https address"}return["testnet","mainnet"].includes(this.network)?["register","update","download"].includes(this.mode)?this.mode!=="register"?`mode ${this.mode} is not available in this version`:this.maxFileSize>=0?"":"max-file-size is not a number of bytes":"mode is not one of register, update, download":"network is neither testnet nor mainnet"}#k(){let{state:e}=this.#t,t=this.#n.t;if(e.notice)return t(Ce(e.notice));if(e.screen==="UPLOAD"){let r=Math.floor(4*e.loaded/(e.file?.size||1))/4;return r?new Intl.NumberFormat(this.#n.lang,{style:"percent"}).format(r):""}return e.screen==="TRACKING"&&e.steps.length?t(wt(e.steps.at(-1).progress)):e.problem?t(W(e.problem.code)):this.#r.copied?t("copied"):""}#$(){let{state:e}=this.#t,t={FORM:ft,UPLOAD:vt,CONFIRMING:yt,TRACKING:xt,COMPLETE:gt};return u`<div class="card" part="card" lang=${this.#n.lang} dir=${this.#n.dir} role="group" aria-label=${this.#n.t("heading")} data-ats="card" data-screen=${e.screen}>${e.problem?c:this.#A()} ${(t[e.screen]??ht)(this.#S())}<p class="hide" role="status" data-ats="live">${this.#k()}</p></div>`}#A(){let e=this.#n.t,t=[e("stepSong"),e("by"),e("stepPrice"),e("stepProof")],{screen:r,step:i}=this.#t.state,s=r==="FORM"?i==="song"?0:1:r==="UPLOAD"||r==="CONFIRMING"?2:3;return u`<ol class="path" part="path">${t.map((o,a)=>u`<li class=${a<s||r==="COMPLETE"?"past":""} aria-current=${a===s?"step":c}>${o}</li>`)}</ol>`}#S(){let e=this.#t;return{state:e.state,texts:this.#n,flow:e,...this.#r,act:{drag:t=>{t!==this.#r.dragging&&this.#v({dragging:t})},file:t=>t&&e.choose(t),copy:(t,r)=>{this.#E(t,r)},save:()=>this.#I(),addCreator:()=>{let t=e.state.creators;if(t.length>=20)return;let r=Math.max(...t.map(i=>i.id))+1;e.dispatch({type:"draft",path:"",draft:{creators:[...t,V(r)]}}),this.#a=`creator-${t.length}-fullName`},removeCreator:t=>{let r=e.state.creators.filter((i,s)=>s!==t);e.dispatch({type:"draft",path:"creators",draft:{creators:r}}),this.#a=`creator-${Math.min(t,r.length-1)}-fullName`},again:()=>this.reset()}}}async#E(e,t){let r=!1;try{await navigator.clipboard.writeText(e),r=!0}catch{let i=g.createElement("textarea");i.value=e,i.className="hide",this.#e.append(i),i.select(),r=g.execCommand("copy"),i.remove(),t.focus()}r&&this.#v({copied:e})}#I(){let{title:e,result:t,accessCode:r}=this.#t.state,i=this.#n.t,o=[[i("title"),e.trim()],[i("number"),t?String(t.atsId):""],[i("code"),r??""],[i("transaction"),t?.txHash??""],[i("view"),t?.explorerUrl??""]].filter(([,d])=>d).map(([d,m])=>`${d}\r
${m}\r
`),a=URL.createObjectURL(new Blob([o.join(`\r
`)],{type:"text/plain;charset=utf-8"})),l=g.createElement("a");l.href=a,l.download=`access-code${t?`-${t.atsId}`:""}.txt`,l.click(),setTimeout(()=>URL.revokeObjectURL(a),6e4)}#C(){let e=this.#t.state;this.#y();let t=[e.screen,e.screen==="FORM"&&e.step,e.screen==="CONFIRMING"&&e.phase].join(),r=this.#b&&t!==this.#o;this.#o=t;let i=e.errors!==this.#u&&Object.keys(e.errors).length>0&&!this.#P(e.errors);this.#u=e.errors,r&&(this.#r.copied="");let s;this.#a?s=this.#e.querySelector(`[data-ats="${this.#a}"]`):i?s=this.#e.querySelector('[aria-invalid="true"]'):r&&(s=this.#e.querySelector("h2")),this.#a="",s?.focus(),r&&!i&&this.#e.querySelector("h2")?.scrollIntoView?.({block:"nearest"})}#P(e){let t=new Set(Object.keys(this.#u));return t.size>0&&Object.keys(e).length<t.size&&Object.keys(e).every(r=>t.has(r))}#y(){let{screen:e,phase:t}=this.#t.state,r=this.isConnected&&(e==="UPLOAD"||e==="CONFIRMING"&&t==="confirming");r!==this.#f&&(this.#f=r,r?addEventListener("beforeunload",this.#_):removeEventListener("beforeunload",this.#_))}#_=e=>e.preventDefault()};for(let[n,e]of Object.entries(se)){let t=n==="network"?"testnet":n==="mode"?"register":"";Object.defineProperty(B.prototype,n,{configurable:!0,enumerable:!0,get(){let r=this.getAttribute(e)||t;return n==="maxFileSize"?Number(r):r},set(r){r==null?this.removeAttribute(e):this.setAttribute(e,String(r))}})}var cn=n=>n.replace(/^\w+\/(?:x-)?(.*)/,(e,t)=>t.toUpperCase());var un="1.0.0";var Ne=globalThis.customElements;Ne&&!Ne.get("ats-widget")&&Ne.define("ats-widget",B);export{q as AtsEvent,B as AtsWidget,un as version};
/*! Bundled license information:

lit-html/lit-html.js:
  (**
   * @license
   * Copyright 2017 Google LLC
   * SPDX-License-Identifier: BSD-3-Clause
   *)
*/
