/// <reference types="@timbre/ats-widget/svelte" />
export {};
