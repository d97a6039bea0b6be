/** The style sheet of the screens behind the first one, constructed once for all elements. */
// The build hands over the text of the file, minified.
import text from './rest.css';
import { sheetOf } from './styles.js';

export const restStyles = sheetOf(text);
