/** The reason why no evidence is taken out of a PDF. why has the values of Refusal.Why of internal/certificate. */
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
