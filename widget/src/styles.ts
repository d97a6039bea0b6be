/** The style sheet of the element, constructed once for all of them. */
// The build hands over the text of the file, minified.
import text from './styles.css';

let sheet: CSSStyleSheet | undefined;

export function styles(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
  }
  return sheet;
}
