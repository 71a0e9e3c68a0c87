/** Child process entry: the fake internet on its own, so that its CPU is not counted as Sluice's. Answers questions over IPC. */
import { startInternet } from './internet.ts';
import type { InternetQuestion } from './internet-client.ts';

const options = JSON.parse(process.argv[2] ?? '{}');
const internet = await startInternet(options);
process.send?.({ ready: true, dns: internet.dns, smtpPort: internet.smtpPort });
process.on('message', (question: InternetQuestion) => {
  if (question.ask === 'records') process.send?.({ id: question.id, answer: internet.records() });
  if (question.ask === 'delivered')
    process.send?.({ id: question.id, answer: internet.delivered(question.run ?? '') });
  if (question.ask === 'refused') process.send?.({ id: question.id, answer: internet.refused() });
});
process.on('disconnect', () => process.exit(0));
