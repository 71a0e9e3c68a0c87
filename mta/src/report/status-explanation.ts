/** What a status says to somebody who does not read SMTP, and what he can do. */
export interface StatusExplanation {
  readonly reason: string;
  readonly advice: string;
}

const WRITE_TO_RECIPIENT = 'Reach the recipient in another way, or ask his postmaster.';

/** By the second and third number of the enhanced status code (RFC 3463 §3), the exact one before the subject alone. */
const EXPLANATIONS: Readonly<Record<string, StatusExplanation>> = {
  '1': {
    reason: 'The address was not accepted.',
    advice: 'Check the address for mistakes.',
  },
  '1.1': {
    reason: 'There is no such mailbox at this address.',
    advice: 'Check the part before the @ for mistakes.',
  },
  '1.2': {
    reason: 'The domain of this address does not exist.',
    advice: 'Check the part behind the @ for mistakes.',
  },
  '1.3': { reason: 'The address is not a valid one.', advice: 'Check the address for mistakes.' },
  '1.6': { reason: 'The recipient has moved.', advice: 'Ask him for his new address.' },
  '1.7': {
    reason: 'Your own address was not accepted.',
    advice: 'Check the address that your program sends from.',
  },
  '1.8': {
    reason: 'Your own address was not accepted: its domain could not be found.',
    advice: 'Check the address that your program sends from.',
  },
  '1.10': {
    reason: 'The domain of this address does not take mail.',
    advice: 'Check the part behind the @ for mistakes.',
  },
  '2': { reason: 'The mailbox does not take mail now.', advice: WRITE_TO_RECIPIENT },
  '2.1': { reason: 'The mailbox is closed.', advice: WRITE_TO_RECIPIENT },
  '2.2': {
    reason: 'The mailbox is full.',
    advice: 'Try again later, or reach the recipient in another way.',
  },
  '2.3': { reason: 'The message is too large for this mailbox.', advice: 'Send a smaller message.' },
  '3': { reason: 'The mail system of the recipient could not take the message.', advice: 'Try again later.' },
  '3.4': {
    reason: 'The message is too large for the mail system of the recipient.',
    advice: 'Send a smaller message.',
  },
  '4': {
    reason: 'The mail system of the recipient could not be reached.',
    advice: 'Check the part behind the @ for mistakes, or try again later.',
  },
  '4.6': { reason: 'The message was sent in a circle.', advice: 'Ask the postmaster of the recipient.' },
  '4.7': {
    reason: 'The mail system of the recipient did not take the message within the time allowed.',
    advice: 'Try again later, or reach the recipient in another way.',
  },
  '5': {
    reason: 'The mail system of the recipient did not accept the transmission.',
    advice: 'Ask the postmaster of the recipient.',
  },
  '5.3': { reason: 'The message has too many recipients.', advice: 'Send it to fewer at a time.' },
  '6': {
    reason: 'The mail system of the recipient cannot handle this kind of message.',
    advice: 'Send it in a simpler form.',
  },
  '6.3': {
    reason: 'The message has 8-bit content, which the mail system of the recipient cannot take.',
    advice: 'Send it encoded as quoted-printable or base64.',
  },
  '6.7': {
    reason: 'The message has an international address, which the mail system of the recipient cannot take.',
    advice: 'Use addresses in plain ASCII.',
  },
  '7': {
    reason: 'The mail system of the recipient refuses the message by its rules.',
    advice: 'The answer below often says which rule it was; ask whoever runs your mail service.',
  },
};

const UNKNOWN: StatusExplanation = {
  reason: 'The message was not accepted.',
  advice: 'The answer below may say more.',
};

/** Example: `explanationOf('5.1.1').reason` → `There is no such mailbox at this address.` */
export function explanationOf(status: string): StatusExplanation {
  const [, subject = '', detail = ''] = status.split('.');
  return EXPLANATIONS[`${subject}.${detail}`] ?? EXPLANATIONS[subject] ?? UNKNOWN;
}
