/**
 * API-server chaos from a seed: `npm run chaos:api -- --seed 1 --seconds 300`. One JSON object; ends with 1 when anything is not as it should be afterwards.
 */
import { parseArgs } from 'node:util';
import { skipWithoutControlPlane } from '../harness/control-plane.ts';
import { apiChaos } from './api-chaos.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, seconds: { type: 'string', default: '300' } },
});
const skip = await skipWithoutControlPlane('chaos of the API server');
if (skip !== false) {
  process.stderr.write(`${skip}\n`);
  process.exit(0);
}
const result = await apiChaos(Number(values.seed), Number(values.seconds));
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exitCode = result.complaints.length === 0 ? 0 : 1;
