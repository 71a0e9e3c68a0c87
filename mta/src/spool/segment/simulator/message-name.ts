/** An id in the form of a ULID that only the number determines. */
export function newMessageIdOf(number: number): string {
  return number.toString().padStart(26, '0');
}
