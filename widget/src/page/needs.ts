/**
 * The features that the widget needs of a browser, and the first version of each browser that has them. docs/ and the screen say the same.
 */
export interface Need {
  readonly name: string;
  readonly chrome: number;
  readonly firefox: number;
  readonly safari: number;
  /** Whether this browser has the feature. */
  has(): boolean;
}

export const needs: readonly Need[] = [
  { name: 'Document.adoptedStyleSheets', chrome: 73, firefox: 101, safari: 16.4, has: () => 'adoptedStyleSheets' in Document.prototype },
  { name: 'Array.prototype.findLastIndex', chrome: 97, firefox: 104, safari: 15.4, has: () => 'findLastIndex' in Array.prototype },
  {
    name: 'AbortSignal.prototype.throwIfAborted',
    chrome: 100,
    firefox: 97,
    safari: 15.4,
    has: () => 'throwIfAborted' in AbortSignal.prototype,
  },
];

/** The oldest versions that have all features; Edge has the same number as Chrome. */
export const oldest = {
  chrome: String(Math.max(...needs.map((n) => n.chrome))),
  firefox: String(Math.max(...needs.map((n) => n.firefox))),
  safari: String(Math.max(...needs.map((n) => n.safari))),
};

/** The feature that this browser lacks, or ''. */
export const lacking = (): string => needs.find((n) => !n.has())?.name ?? '';
