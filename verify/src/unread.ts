/** Why no evidence is taken out of a PDF. Why names what the reader is unsure of, as Refusal.Why of internal/certificate does. */
export class Unread extends Error {
  readonly trouble: 'noAttachment' | 'manyAttachments' | 'unsure';
  constructor(readonly why: string) {
    super(why);
    this.trouble = why === 'none' ? 'noAttachment' : why === 'many' ? 'manyAttachments' : 'unsure';
  }
}

export const refuse = (why: string): never => {
  throw new Unread(why);
};
