import { StrictMode } from 'react';
import { createRoot, hydrateRoot } from 'react-dom/client';
import { Song } from './Song.js';
import { propsOf } from './session.js';

const app = document.getElementById('app')!;
const ids = (app.dataset.ids ?? 'one').split(' ');
const page = (
  <StrictMode>
    {ids.map((id) => (
      <Song key={id} id={id} {...propsOf(app)} />
    ))}
  </StrictMode>
);
const warn = (error: unknown) => console.error('recoverable', error);
const root = app.firstElementChild ? hydrateRoot(app, page, { onRecoverableError: warn }) : createRoot(app);
if (!app.firstElementChild) root.render(page);
globalThis.leave = () => root.unmount();
globalThis.enter = () => createRoot(app).render(page);
