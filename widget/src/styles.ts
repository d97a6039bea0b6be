/** The style sheet of the frame and the first screen. */
// The build hands over the text of the file, minified.
import text from './styles.css';

/** A style sheet, constructed once for all elements, when it is needed first. */
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
