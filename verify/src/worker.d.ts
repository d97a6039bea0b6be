/** A worker, as the text of its bundle: see verify/build. */
declare module 'worker:*' {
  const source: string;
  export default source;
}
