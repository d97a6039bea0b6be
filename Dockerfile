# The server as an image: `docker build --build-arg VERSION=1.2.3 -t timbre .`
FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY client/go.mod client/
COPY proof/go.mod proof/go.sum proof/
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags="-s -w -X main.release=$VERSION" -o /out/usr/bin/timbre ./cmd/timbre
RUN install -d -m 0700 /out/own/data /out/own/tmp

FROM scratch
ARG VERSION=
LABEL org.opencontainers.image.title="Timbre" org.opencontainers.image.licenses="Apache-2.0" org.opencontainers.image.version="$VERSION"
COPY --from=build /out/usr/ /usr/
# The only directories that the server writes to.
COPY --from=build --chown=65532:65532 /out/own/ /
USER 65532:65532
WORKDIR /
# The server must be reachable from outside of the container.
ENV TIMBRE_LISTEN=0.0.0.0:8080 TMPDIR=/tmp
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["/usr/bin/timbre", "health"]
ENTRYPOINT ["/usr/bin/timbre"]
CMD ["serve"]
