# The app alone: Postgres and NATS are other containers, so the embedded servers are left out.
FROM oven/bun:1.4.5 AS dependencies
WORKDIR /app
COPY package.json bun.lock ./
# The binaries of the embedded Postgres are optional dependencies.
RUN bun install --production --frozen-lockfile --omit=optional

FROM oven/bun:1.4.5
WORKDIR /app
ENV NODE_ENV=production
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json tsconfig.json ./
COPY src ./src
# Nothing below /app is written: DATABASE_URL and NATS_URL have to be set.
USER bun
EXPOSE 8080 8081
# In exec form, so that SIGTERM reaches the program itself and it stops cleanly.
CMD ["bun", "src/main.ts"]
