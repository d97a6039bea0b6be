// Reads the text of the first page of each PDF that the arguments name, as two foreign readers
// give it for copying: PDFium (Chrome, Edge) and pdf.js (Firefox). One line of JSON a file.
import { readFileSync } from 'node:fs';
import { PDFiumLibrary } from '@hyzyla/pdfium';
import { getDocument } from 'pdfjs-dist/legacy/build/pdf.mjs';

const pdfium = await PDFiumLibrary.init();
for (const path of process.argv.slice(2)) {
  const file = readFileSync(path);
  const document = await pdfium.loadDocument(file);
  const chrome = document.getPage(0).getText();
  document.destroy();
  const task = getDocument({ data: new Uint8Array(file), verbosity: 0, useSystemFonts: false });
  const page = await (await task.promise).getPage(1);
  // As the viewer asks for it.
  const { items } = await page.getTextContent({ includeMarkedContent: true, disableNormalization: true });
  const firefox = items.map(({ str = '', hasEOL }) => str + (hasEOL ? '\n' : '')).join('');
  await task.destroy();
  console.log(JSON.stringify({ pdfium: chrome, pdfjs: firefox }));
}
