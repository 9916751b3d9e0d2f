//! What JavaScript calls of the device. Every function returns at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};

use napi::Status;
use napi::bindgen_prelude::{BufferSlice, Error, Function, Result};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use nix::net::if_::if_nametoindex;

use crate::shared::{Message, Shared};
use crate::tunnel::device::Device;
use crate::tunnel::device_file::open_device;
use crate::tunnel::meter::Meter;
use crate::tunnel::network_watch::watch_network;

type Tell = ThreadsafeFunction<(), (), (), Status, false, true>;

/// The device, and the thread that serves it.
#[napi]
pub struct TunnelDevice {
    shared: Arc<Shared>,
    meter: Arc<Meter>,
    thread: Option<JoinHandle<()>>,
    index: u32,
}

#[napi]
impl TunnelDevice {
    /// Makes the device and starts its thread. `tell` is called when there are events to take, and when the device is
    /// gone. Throws with the system's error number: EBUSY when somebody else has it, EINVAL when another kind of link
    /// has its name, EPERM without CAP_NET_ADMIN.
    #[napi(constructor, catch_unwind)]
    pub fn new(name: String, tell: Function<(), ()>) -> Result<Self> {
        let failure = |error: rustix::io::Errno| Error::from_reason(error.raw_os_error().to_string());
        let file = open_device(&name).map_err(failure)?;
        let index =
            if_nametoindex(name.as_str()).map_err(|error| Error::from_reason((error as i32).to_string()))?;
        let network = watch_network().map_err(failure)?;
        let tell: Arc<Tell> = Arc::new(tell.build_threadsafe_function().weak::<true>().build()?);
        let shared = Arc::new(Shared::new().map_err(failure)?);
        let meter = Arc::new(Meter::default());
        let last = Arc::clone(&tell);
        let call = |function: &Tell| {
            function.call((), ThreadsafeFunctionCallMode::NonBlocking);
        };
        let own = Arc::clone(&shared);
        let mut device = Device::new(
            file,
            network,
            Arc::clone(&shared),
            Arc::clone(&meter),
            Box::new(move || call(&tell)),
        )
        .map_err(failure)?;
        let body = move || {
            // Whatever ends it, the device goes with it, and JavaScript learns of it.
            let _ = catch_unwind(AssertUnwindSafe(|| device.run()));
            drop(device);
            own.alive.store(false, Ordering::SeqCst);
            call(&last);
        };
        let thread = Builder::new()
            .name("tunnel".into())
            .stack_size(256 << 10)
            .spawn(body)
            .map_err(|error| Error::from_reason(error.raw_os_error().unwrap_or(0).to_string()))?;
        Ok(TunnelDevice {
            shared,
            meter,
            thread: Some(thread),
            index,
        })
    }

    #[napi(getter)]
    pub fn alive(&self) -> bool {
        self.shared.alive.load(Ordering::SeqCst)
    }

    /// The link's index.
    #[napi(getter)]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Queues commands, whole records.
    #[napi(catch_unwind)]
    pub fn submit(&self, commands: &[u8]) {
        self.shared.submit(commands);
    }

    /// Copies events into `out`; how many bytes, negative when there are more.
    #[napi(catch_unwind)]
    pub fn take_events(&self, mut out: BufferSlice) -> i32 {
        let (count, more) = self.shared.take_events(&mut out);
        if more { -(count as i32) } else { count as i32 }
    }

    /// Datagrams and bytes sent, datagrams and bytes received, packets refused and dropped, associations open.
    #[napi(catch_unwind)]
    pub fn counters(&self) -> Vec<f64> {
        let meter = &self.meter;
        let all = [
            &meter.sent_datagrams,
            &meter.sent_bytes,
            &meter.received_datagrams,
            &meter.received_bytes,
            &meter.refused_packets,
            &meter.dropped_packets,
            &meter.associations,
        ];
        all.map(|count| count.read() as f64).to_vec()
    }

    /// Takes the device away; its addresses and routes go with it.
    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        self.shared.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
