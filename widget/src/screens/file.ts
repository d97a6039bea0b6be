/** Chooses the recording: by dialog, by keyboard, or by drag and drop. */
import { html, nothing } from 'lit/html.js';
import { complaint, invalid, wave, type SongView, type View } from './view.js';

// Only a hint for the file dialog: the server checks the bytes.
const accept = 'audio/*,.wav,.w64,.aif,.aiff,.flac,.mp3,.m4a,.mp4,.mov,.3gp,.aac,.caf,.ogg,.oga,.opus,.webm,.mka,.dsf,.dff,.mp2,.wma,.amr';
// The names that the server uses, so that the layout does not move when its answer arrives.
const usualFormats = 'WAV, AIFF, FLAC, MP3, AAC, M4A, CAF, Ogg, Opus, WebM, Matroska, DSF, DFF, MP2, WMA, AMR';

/** In an update, choosing no file is possible, and a chosen file can be removed again. */
export function recording(v: SongView) {
  const { state: s, texts, flow } = v;
  const t = texts.t;
  const formats = v.formats.length ? v.formats.join(', ') : usualFormats;
  const update = s.mode === 'update';
  const named = v.legible ?? String;
  return html`
    <div class="stack tight">
      <label id="l-file" for="file">${t(update ? 'newFile' : 'recording')}</label>
      ${update && !s.file ? html`<p class="soft" id="kept-hint" data-ats="kept">${t('keptHint')}</p>` : nothing}
      <input
        class="pick hide"
        type="file"
        id="file"
        data-ats="file"
        accept=${accept}
        aria-labelledby="l-file file-name"
        aria-invalid=${invalid(v, 'file')}
        aria-describedby="kept-hint file-hint lost-hint e-file"
        @change=${(e: Event) => v.act.file((e.target as HTMLInputElement).files?.[0])}
      />
      <label
        class="drop ${v.dragging ? 'over' : ''} ${s.file ? 'has' : ''} ${s.errors['file'] ? 'bad' : ''}"
        for="file"
        part="dropzone"
        data-ats="dropzone"
      >
        ${wave()}
        <span id="file-name">
          ${
            s.file
              ? html`<strong><bdi data-ats="file-name">${named(s.file.name)}</bdi></strong> <span class="soft" data-ats="file-size">${texts.size(s.file.size)}</span>`
              : html`<b>${t('choose')}</b> ${t('drop')}`
          }
        </span>
        ${s.file ? html`<b class="small">${t('another')}</b>` : nothing}
      </label>
      ${complaint(v, 'file')}
      ${s.lost && !s.file ? html`<p class="note" id="lost-hint" data-ats="lost">${withName(t('chooseAgain', { name: '{name}' }), named(s.lost))}</p>` : nothing}
      ${v.began?.(v as View)}
      ${
        update && s.file
          ? html`<button type="button" class="plain" data-ats="keep-file" @click=${v.act.keepFile}>${t('keepFile')}</button>`
          : nothing
      }
      <p class="small" id="file-hint">
        ${formats}<br />${flow.maxBytes ? t('max', { max: texts.size(flow.maxBytes, true) }) : '\u00a0'}
      </p>
    </div>
  `;
}

/** The name may have another text direction than the sentence. */
export function withName(text: string, name: string) {
  const [before, after] = text.split('{name}');
  return html`${before}<bdi>${name}</bdi>${after}`;
}
