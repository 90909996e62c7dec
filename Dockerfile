# Checked by `node scripts/check-dockerfile.mjs`; docs/docker.md says how far, and how to run the image.

FROM node:20.20.2-bookworm-slim AS build
WORKDIR /app
# Dependencies first: they change less often than the source.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/copy-assets.mjs scripts/
COPY src src
RUN npm run build
# Debian's ffmpeg is installed below, so the packaged one goes; of onnxruntime's libraries one of five platforms is needed.
RUN npm prune --omit=dev --ignore-scripts \
  && rm -rf node_modules/@ffmpeg-installer node_modules/@ffprobe-installer \
  && platform="$(node -p 'process.platform + "/" + process.arch')" \
  && find node_modules/onnxruntime-node/bin -mindepth 3 -maxdepth 3 -type d ! -path "*/$platform" -exec rm -r {} + \
  && find node_modules/onnxruntime-node/bin -mindepth 2 -type d -empty -delete

FROM node:20.20.2-bookworm-slim
# tini as the first process reaps what dying helpers leave behind and hands signals on; node does not reap strangers.
RUN apt-get update \
  && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ffmpeg tini \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o node -g node /var/lib/lynceus /data
ENV NODE_ENV=production LYNCEUS_HOME=/var/lib/lynceus
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY models models
COPY streams streams
# Prepared and added models are kept here.
VOLUME /var/lib/lynceus
# The image's user `node`, as a number: Kubernetes' runAsNonRoot can't check a name.
USER 1000:1000
# Mount videos and stream definitions here and name them without a path.
WORKDIR /data
EXPOSE 7272
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7272/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--", "node", "/app/dist/cli/main.js"]
CMD ["run", "demo", "--host", "0.0.0.0"]
