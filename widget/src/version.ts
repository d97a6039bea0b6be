declare const __VERSION__: string;
/** The version of this build. */
export const version: string = __VERSION__;
