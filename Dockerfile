# The lab, the worker and the CLI in one image. Debian, since the lab's guest is made of Debian packages.
FROM node:22-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv e2fsprogs xfsprogs fdisk util-linux iproute2 qemu-system-x86 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
CMD ["npm", "run", "-s", "forensics", "--", "--help"]
