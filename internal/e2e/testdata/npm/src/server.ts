/** Renders each app as a server does, and prints the markup as JSON. */
import { StrictMode, createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { render } from 'svelte/server';
import { createSSRApp } from 'vue';
import { renderToString as renderVue } from 'vue/server-renderer';
import { version } from '@timbre/ats-widget';
import '@timbre/ats-widget/define';
import { Song } from './Song.js';
import SvelteSong from './Song.svelte';
import VueSong from './Song.vue';

const [siteKey, atsUrl] = process.argv.slice(2) as [string, string];
const props = { siteKey, atsUrl };
console.log(
  JSON.stringify({
    version,
    react: renderToString(createElement(StrictMode, null, createElement(Song, { ...props, id: 'one' }))),
    vue: await renderVue(createSSRApp(VueSong, props)),
    svelte: render(SvelteSong, { props }).body,
  }),
);
