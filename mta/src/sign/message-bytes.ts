/** RFC 5322 bytes, CRLF line ends, in as many pieces as they came in; they are never joined. */
export type MessageBytes = readonly Buffer[];
