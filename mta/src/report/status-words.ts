import type { Reply } from '../spool/mod.ts';
import { fieldDate, oneLine, wrapped } from './report-text.ts';
import { returnsWhole } from './returned-part.ts';
import { explanationOf } from './status-explanation.ts';
import { statusOf } from './status-fields.ts';
import type { ReportedRecipient, StatusReport } from './status-report.ts';

/** The part of a report that people read: who, why, the last answer, what to do. CRLF line ends. */
export function statusWords(report: StatusReport): string {
  const { hostname, envelope, recipients } = report;
  let text = `This is the mail system at ${oneLine(hostname, false)}.\r\n\r\n`;
  for (const action of ['failed', 'delayed', 'relayed'] as const) {
    const concerned = recipients.filter((recipient) => recipient.action === action);
    if (concerned.length > 0) text += `${INTRODUCTIONS[action](concerned)}${concerned.map(entry).join('')}`;
  }
  text += wrapped(
    `It was handed in on ${fieldDate(envelope.acceptedAtMs)} and has the id ${envelope.id} here.`,
    '',
  );
  if (envelope.statusRequest?.ret === 'FULL' && !returnsWhole(report)) {
    text += wrapped('Only its header is returned with this report.', '');
  }
  return text;
}

const INTRODUCTIONS = {
  failed: () =>
    wrapped(
      'Your message could not be delivered to the recipients below. It will not be tried again for them.',
      '',
    ),
  delayed: (concerned: readonly ReportedRecipient[]) => {
    const untilMs = Math.max(...concerned.map((recipient) => recipient.untilMs ?? 0));
    const until = untilMs > 0 ? ` until ${fieldDate(untilMs)}` : '';
    return wrapped(
      `Your message could not be delivered yet to the recipients below. It is tried again${until}. You need not send it again.`,
      '',
    );
  },
  relayed: () =>
    wrapped(
      'Your message was handed on for the recipients below to a mail system that does not confirm delivery. No further confirmation will come.',
      '',
    ),
} as const;

function entry(recipient: ReportedRecipient): string {
  const { address, action, reply } = recipient;
  const { reason, advice } = explanationOf(statusOf(recipient));
  const explained = action === 'relayed' ? '' : wrapped(reason, '    ');
  const advised = action === 'failed' ? wrapped(`What you can do: ${advice}`, '    ') : '';
  return `\r\n  <${oneLine(address, true)}>\r\n${explained}${wrapped(answer(reply), '    ')}${advised}\r\n`;
}

function answer({ code, enhanced, text, host }: Reply): string {
  const words = `${code}${enhanced === '' ? '' : ` ${enhanced}`} ${oneLine(text, true)}`;
  return host === '' ? `The last result was: ${words}` : `${oneLine(host, false)} answered: ${words}`;
}
