/** Why no evidence is taken out of a PDF: the values of proof/pdf/refusal.go. */
export type PdfTrouble = 'noAttachment' | 'manyAttachments' | 'encrypted' | 'broken' | 'tooLarge' | 'unsure';

const troubles: Record<string, PdfTrouble> = {
  none: 'noAttachment',
  many: 'manyAttachments',
  password: 'encrypted',
  encryption: 'encrypted',
  size: 'tooLarge',
  depth: 'tooLarge',
  work: 'tooLarge',
  hybrid: 'unsure',
  name: 'unsure',
  filter: 'unsure',
};

export class Refusal extends Error {
  readonly trouble: PdfTrouble;
  /** The part of the file that breaks the rule. */
  where = '';
  constructor(readonly why: string) {
    super(why);
    this.trouble = troubles[why] ?? 'broken';
  }
}

export const refuse = (why: string): never => {
  throw new Refusal(why);
};
