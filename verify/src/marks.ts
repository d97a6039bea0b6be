/**
 * Texts that somebody else chose, as they are shown. A character that turns the direction of the writing or that cannot be seen is
 * shown by its number: otherwise a title could be read as another one than was registered.
 */
export const shown = (text: string): string =>
  text.replace(/[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (c) => `⟨U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);
