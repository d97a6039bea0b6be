/**
 * Makes texts of other people safe to show. A character that changes the text direction, or that is invisible, is shown by its number.
 * Otherwise a title could look like another title than the registered one. The widget has the same rules.
 */
export { legible as shown } from '../../web/i18n/legible.js';
