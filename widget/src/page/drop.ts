/** Reads what was dropped on the widget. */

export interface Dropped {
  /** A folder, or several files, is refused as a whole. */
  readonly wrong?: 'folder' | 'several';
  readonly file?: File;
}

/** Undefined when no files are being dragged: the page may handle the drag itself. The browser opens none of the files. */
export function dropped(e: DragEvent, wanted: boolean): Dropped | undefined {
  const data = e.dataTransfer;
  if (!data?.types.includes('Files')) return undefined;
  e.preventDefault();
  if (!wanted) data.dropEffect = 'none';
  if (e.type !== 'drop' || !wanted) return {};
  if ([...data.items].some((item) => item.webkitGetAsEntry?.()?.isDirectory)) return { wrong: 'folder' };
  if (data.files.length > 1) return { wrong: 'several' };
  return data.files[0] ? { file: data.files[0] } : {};
}
