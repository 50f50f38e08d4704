//! From a description to a running node.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::sync::Arc;

use druse_protocol::handshake::{Member, MemberKind, PIPELINED_GROUP};
use rand::rngs::{OsRng, StdRng};
use rand::{Rng, SeedableRng, TryRngCore};
use tokio_util::sync::CancellationToken;

use super::builder::{NodeBuilder, Security as Asked};
use super::ports::Ports;
use super::{Node, Sessions, StartError, open_files, upkeep};
use crate::config::{HostPort, ServerConfig};
use crate::connection::Shared;
use crate::core::{FeedOptions, NodeCore, NodeParts, watch_revocations};
use crate::engine::{Engine, MemoryEngine, MemoryOptions, Retention};
use crate::memory::MemoryBudget;
use crate::metrics::Metrics;
use crate::pdx::{PdxBounds, PdxRegistry};
use crate::region::{RegionOptions, RegionRegistry, RegistryError};
use crate::security::Security;
use crate::shutdown::Shutdown;

pub(super) fn start(builder: NodeBuilder) -> Result<Node, StartError> {
    let NodeBuilder { config, regions, security, policies, feeds, clock, seed, engine } = builder;
    // First of all: whatever else is wrong, this must not be overlooked.
    let manager = match security.ok_or(StartError::NoSecurity)? {
        Asked::Manager(manager) => Some(manager),
        Asked::Open => None,
    };
    let mut random = random(seed)?;
    let metrics = Arc::new(Metrics::default());
    let pdx = Arc::new(registry(&config)?);
    let engine = engine.unwrap_or_else(|| memory_engine(&mut random));
    let regions = create(engine, &pdx, &config, regions)?;

    let shared = Arc::new(Shared {
        frames: config.limits.frames(),
        memory: MemoryBudget::new(config.limits.in_flight_bytes, Arc::clone(&metrics)),
        limits: config.limits.clone(),
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
        shutdown: Shutdown::default(),
    });
    let ports = Ports::bind(&config, &shared, manager.as_ref())?;
    let addresses = ports.addresses();
    let security = manager.map(|manager| {
        let security = Security::new(Arc::clone(&manager), policies, random.random(), Arc::clone(&metrics));
        watch_revocations(&*manager, &security, Arc::clone(&clock));
        security
    });
    if security.is_none() {
        tracing::warn!("security is `none`: everybody who reaches this node may read and write everything");
    }
    open_files::check(config.limits.connections);

    let feeds = FeedOptions {
        policies: feeds,
        shards: std::thread::available_parallelism().map_or(1, NonZero::get),
        seed: random.random(),
        clock: Arc::clone(&clock),
    };
    let core = Arc::new(NodeCore::new(NodeParts {
        member: member(&config, addresses.clients, &mut random),
        frames: shared.frames,
        queries: shared.limits.queries,
        regions,
        pdx,
        security,
        metrics,
        feeds,
    }));
    core.feeds.start(&shared.shutdown);
    let stop = CancellationToken::new();
    let upkeep = tokio::spawn(upkeep::run(Arc::clone(&core), clock, stop.clone()));
    let door = ports.open(Sessions(Arc::clone(&core)), Arc::clone(&shared));
    tracing::info!(clients = %addresses.clients, locator = ?addresses.locator, probes = ?addresses.probes, "node started");
    Ok(Node { addresses, core, shared, door, upkeep: Some(upkeep), stop })
}

fn random(seed: Option<[u8; 32]>) -> Result<StdRng, StartError> {
    let seed = match seed {
        Some(seed) => seed,
        None => {
            let mut seed = [0; 32];
            OsRng.try_fill_bytes(&mut seed).map_err(|_| StartError::Random)?;
            seed
        }
    };
    Ok(StdRng::from_seed(seed))
}

fn registry(config: &ServerConfig) -> Result<PdxRegistry, StartError> {
    let Some(path) = &config.pdx_registry else { return Ok(PdxRegistry::in_memory(PdxBounds::default())) };
    let (registry, damaged) = PdxRegistry::open(path, PdxBounds::default())?;
    if let Some(tail) = damaged {
        tracing::warn!(bytes = tail.bytes, kept = %tail.kept.display(), "the file of PDX types had a damaged end");
    }
    Ok(registry)
}

fn memory_engine(random: &mut StdRng) -> Arc<dyn Engine> {
    Arc::new(MemoryEngine::new(MemoryOptions {
        epoch: random.random::<u32>() >> 1,
        hash_seed: random.random(),
        retention: Retention::default(),
    }))
}

/// Regions of the configuration and of the builder; one that is named in both is one.
fn create(
    engine: Arc<dyn Engine>,
    pdx: &Arc<PdxRegistry>,
    config: &ServerConfig,
    named: Vec<(String, RegionOptions)>,
) -> Result<Arc<RegionRegistry>, StartError> {
    let registry = RegionRegistry::new(engine, pdx.same_object());
    for (name, options) in named {
        registry.create(&name, options)?;
    }
    for name in &config.regions {
        match registry.create(name, RegionOptions::default()) {
            Ok(_) | Err(RegistryError::Exists(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Arc::new(registry))
}

/// What the node calls itself in handshakes and in the changes that it makes itself.
fn member(config: &ServerConfig, local: SocketAddr, random: &mut StdRng) -> Vec<u8> {
    let HostPort { host, port } = config.advertise.clone().unwrap_or_else(|| local.into());
    let address = match local.ip().to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    // A loner, as a Geode server without a locator is one: nobody looks for it in a distributed system. The tag tells
    // this start from the last one.
    let tag = format!("{:08x}", random.random::<u32>());
    let mut member = Member::new(&address, i32::from(port), host, MemberKind::Loner, tag);
    member.process_id = i32::try_from(std::process::id()).unwrap_or(0);
    member.groups = config.groups.iter().cloned().chain([PIPELINED_GROUP.to_owned()]).collect();
    let mut bytes = Vec::new();
    member.encode(&mut bytes);
    bytes
}
