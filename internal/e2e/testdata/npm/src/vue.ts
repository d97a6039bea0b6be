import { createApp, createSSRApp } from 'vue';
import Song from './Song.vue';
import { propsOf } from './session.js';

const app = document.getElementById('app')!;
const page = (app.firstElementChild ? createSSRApp : createApp)(Song, { ...propsOf(app) });
page.mount(app);
globalThis.leave = () => page.unmount();
