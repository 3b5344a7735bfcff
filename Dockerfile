# One image for every part of Agent Gateway: docker build --build-arg SERVICE=edge|router|billing|simulator|authority .
# `gateway` runs the part; started alone, the image says which settings it lacks and ends with status 2.
ARG SERVICE=edge

# What goes into each image: its locked requirements and our packages, nothing else.
FROM scratch AS edge
COPY services/edge/requirements.txt /
COPY shared/gateway_shared /app/gateway_shared
COPY services/edge/gateway_edge /app/gateway_edge

FROM scratch AS router
COPY services/router/requirements.txt /
COPY shared/gateway_shared /app/gateway_shared
COPY services/router/gateway_router /app/gateway_router

FROM scratch AS billing
COPY services/billing/requirements.txt /
COPY shared/gateway_shared /app/gateway_shared
COPY deploy/prices /app/prices
COPY services/billing/gateway_billing /app/gateway_billing

FROM scratch AS simulator
COPY simulator/requirements.txt /
COPY simulator/gateway_simulator /app/gateway_simulator

FROM scratch AS authority
COPY deploy/authority/requirements.txt /
COPY deploy/authority/gateway_authority /app/gateway_authority
COPY deploy/compose/provision.py /app/

FROM ${SERVICE} AS service

FROM python:3.13-slim AS dependencies
RUN python -m venv --without-pip /venv
COPY --from=service /requirements.txt /
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /venv/bin/python install --require-hashes --no-deps -r /requirements.txt
COPY --from=service /app /app
RUN /venv/bin/python -m compileall -q /app

FROM python:3.13-slim
# The id of the accounts in postgres' and rabbitmq's images: a key's file belongs to whoever reads it, and no
# container needs root to hand it over.
ARG UID=999
# Where volumes are mounted: a new volume takes the owner of the folder it covers.
RUN for folder in authority edge router billing rabbitmq postgres operator; do \
      install -d -o ${UID} -g ${UID} -m 700 /credentials/$folder; \
    done && for folder in journal prices demo; do \
      install -d -o ${UID} -g ${UID} -m 700 /var/lib/gateway/$folder; \
    done
COPY --chmod=755 deploy/compose/is_ready.py /usr/local/bin/is-ready
COPY --from=dependencies /venv /venv
COPY --from=dependencies /app /app
ARG SERVICE
COPY --chmod=755 <<EOF /usr/local/bin/gateway
#!/venv/bin/python
from runpy import run_module

run_module("gateway_${SERVICE}", run_name="__main__", alter_sys=True)
EOF
ENV SERVICE=${SERVICE} PATH=/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER ${UID}:${UID}
WORKDIR /app
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["is-ready"]
ENTRYPOINT ["gateway"]
