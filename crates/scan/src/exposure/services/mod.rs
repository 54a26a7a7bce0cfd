//! The services that are known: one file each with its requests and what their
//! answers mean, and one table.

mod clickhouse;
mod docker;
mod elasticsearch;
mod etcd;
mod jupyter;
mod kubernetes;
mod llamacpp;
mod milvus;
mod mlflow;
mod mongodb;
pub(super) mod mysql;
pub(super) mod ollama;
pub(super) mod postgres;
mod prometheus;
mod qdrant;
mod ray;
mod redis;
pub(super) mod vllm;

use super::judge::Service;

/// All of them. Where two have a port in common, the first is expected there.
pub(crate) static SERVICES: &[Service] = &[
    clickhouse::HTTP,
    clickhouse::NATIVE,
    redis::SERVICE,
    postgres::SERVICE,
    mongodb::SERVICE,
    elasticsearch::SERVICE,
    ollama::SERVICE,
    vllm::SERVICE,
    llamacpp::SERVICE,
    docker::SERVICE,
    mysql::SERVICE,
    etcd::SERVICE,
    qdrant::SERVICE,
    milvus::SERVICE,
    ray::SERVICE,
    jupyter::SERVICE,
    mlflow::SERVICE,
    prometheus::SERVICE,
    kubernetes::API,
    kubernetes::KUBELET,
    kubernetes::KUBELET_PLAIN,
];
