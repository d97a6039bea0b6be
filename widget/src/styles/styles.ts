/** The style sheet of the frame and the first screen. */
// The build imports the file as its minified text.
import text from './first.css';

/** A style sheet, constructed once for all elements, at its first use. */
export function sheetOf(text: string): () => CSSStyleSheet {
  let sheet: CSSStyleSheet | undefined;
  return () => {
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(text);
    }
    return sheet;
  };
}

export const styles = sheetOf(text);
