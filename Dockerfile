# syntax=docker/dockerfile:1
# The image of the chart (charts/sluice): `sluice`, `sluice-operator`, and the Node.js that runs their sources.
#
#   docker build -t registry.example/mail/sluice:0.1.0 . && docker push registry.example/mail/sluice:0.1.0

FROM node:26-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
COPY crds/package.json crds/
COPY operator/package.json operator/
COPY mta/package.json mta/
COPY charts/package.json charts/
COPY e2e/package.json e2e/
# Optional packages are Node.js itself, which is here already; none has a script that must run.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --workspace=@sluice/mta --workspace=@sluice/operator --workspace=@sluice/crds
# npm links programs only that are there when it runs; their sources come later, so that this layer outlives them.
RUN ln -s ../@sluice/mta/src/main.ts node_modules/.bin/sluice && ln -s ../@sluice/operator/src/main.ts node_modules/.bin/sluice-operator

FROM node:26-bookworm-slim
ENV NODE_ENV=production PATH=/app/node_modules/.bin:$PATH
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json LICENSE ./
COPY crds crds
COPY operator operator
COPY mta mta
# As in the chart: no name, so that nothing in the image belongs to it.
USER 10001:10001
ENTRYPOINT []
CMD ["sluice", "--help"]
