/** Phase of a session in which something happened; the words that a policy's `phases` uses too. */
export type Phase =
  | 'Connect'
  | 'Greeting'
  | 'Ehlo'
  | 'StartTls'
  | 'Auth'
  | 'Mail'
  | 'Rcpt'
  | 'Data'
  /** The reply after the final dot, or to `BDAT … LAST`. */
  | 'FinalDot'
  | 'Rset'
  | 'Quit';
