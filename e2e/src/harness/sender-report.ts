import PostalMime from 'postal-mime';
import type { RecordedMail } from './recording-sink.ts';

export type ReportFields = Readonly<Record<string, string>>;

/** A delivery status notification as its reader's mail program takes it apart. */
export interface SenderReport {
  /** What stood behind MAIL FROM and RCPT TO. */
  readonly mail: string;
  readonly recipient: string;
  readonly messageId: string;
  readonly subject: string;
  readonly words: string;
  /** Media types of the parts behind the words. */
  readonly parts: readonly string[];
  /** Fields about the message, then about each recipient, unfolded. */
  readonly message: ReportFields;
  readonly recipients: readonly ReportFields[];
  /** The last part. */
  readonly returned: string;
}

/** Reads a report that a host recorded. */
export async function readReport({ mail, recipients, text }: RecordedMail): Promise<SenderReport> {
  const parsed = await PostalMime.parse(Buffer.from(text, 'latin1'), { forceRfc822Attachments: true });
  const parts = parsed.attachments.map(({ mimeType, content }) => ({
    mimeType,
    text:
      typeof content === 'string'
        ? content
        : Buffer.from(content instanceof ArrayBuffer ? new Uint8Array(content) : content).toString('utf8'),
  }));
  const status = parts.find(({ mimeType }) => mimeType.endsWith('delivery-status'))?.text ?? '';
  const [message = {}, ...told] = status.replaceAll('\r\n', '\n').trim().split('\n\n').map(fieldsOf);
  return {
    mail,
    recipient: recipients.join(),
    messageId: parsed.messageId ?? '',
    subject: parsed.subject ?? '',
    words: parsed.text ?? '',
    parts: parts.map(({ mimeType }) => mimeType),
    message,
    recipients: told,
    returned: parts.at(-1)?.text ?? '',
  };
}

function fieldsOf(block: string): ReportFields {
  const lines = block.replace(/\n[ \t]+/g, ' ').split('\n');
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)];
    }),
  );
}
