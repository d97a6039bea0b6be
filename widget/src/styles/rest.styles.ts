/** The style sheet of the screens after the first one, constructed once for all elements. */
// The build imports the file as its minified text.
import text from './rest.css';
import { sheetOf } from './styles.js';

export const restStyles = sheetOf(text);
