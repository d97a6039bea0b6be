/**
 * Texts that somebody else chose, as they are shown. A character that turns the direction of the writing or that cannot be seen is
 * shown by its number: otherwise a title could be read as another one than was registered. The widget has the same rules.
 */
export { legible as shown } from '../../widget/src/legible.js';
