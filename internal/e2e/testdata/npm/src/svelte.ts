import { hydrate, mount, unmount } from 'svelte';
import Song from './Song.svelte';
import { propsOf } from './session.js';

const target = document.getElementById('app')!;
const page = (target.firstElementChild ? hydrate : mount)(Song, { target, props: propsOf(target) });
globalThis.leave = () => void unmount(page);
