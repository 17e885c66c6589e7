# Shrike's runtime tools in a small image: runs, measures and inspects .espdl files.
#   docker build -t shrike .                    without the float engine
#   docker build -t shrike-float --target float .   with it: quantises, analyses, trains (LibTorch, about 1 GB)
#   docker run --rm -v "$PWD:/work" shrike info yolo11n.espdl

FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make
COPY . /shrike
WORKDIR /shrike
RUN make package

FROM debian:12-slim AS tools
RUN --mount=type=bind,from=build,source=/shrike/build/packages,target=/packages \
    apt-get update && apt-get install -y --no-install-recommends /packages/shrike_*.deb fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /work
ENTRYPOINT ["shrike"]

FROM tools AS float
RUN --mount=type=bind,from=build,source=/shrike/build/packages,target=/packages \
    apt-get update && apt-get install -y --no-install-recommends /packages/shrike-float_*.deb \
    && rm -rf /var/lib/apt/lists/*

# What is built when no target is named.
FROM tools
