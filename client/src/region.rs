//! A region, as one user sees it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use druse_protocol::codec::MessageType;
use druse_protocol::message::bulk::{BulkFlags, BulkReply};
use druse_protocol::message::clear::ClearRegion;
use druse_protocol::message::contains::{Contains, ContainsMode, ContainsReply};
use druse_protocol::message::destroy::{Destroy, DestroyReply};
use druse_protocol::message::envelope::Envelope;
use druse_protocol::message::event_id::EventIdRef;
use druse_protocol::message::exception::RemoteException;
use druse_protocol::message::get::{Get, GetReply};
use druse_protocol::message::get_all::{GetAll, GetAllForm, GetAllReply};
use druse_protocol::message::invalidate::Invalidate;
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::key_set::{KeySet, KeySetReply};
use druse_protocol::message::put::{Put, PutOperation, PutReply};
use druse_protocol::message::put_all::PutAll;
use druse_protocol::message::remove_all::RemoveAll;
use druse_protocol::message::size::{Size, SizeReply};
use druse_protocol::message::value::ValueRef;
use druse_protocol::message::versioned_list::ListValue;

use crate::client::Client;
use crate::connection::Reply;
use crate::error::Error;
use crate::feed::{Interest, SubscriptionBuilder};
use crate::lanes::LaneGuard;
use crate::operation::{Operation, Repeat};
use crate::query::QueryRows;
use crate::user::User;
use crate::value::{self, FromValue, Stored, ToValue};
use crate::wire;

/// Keys in one request of a bulk read: replies stay small enough to be checked between chunks on the server.
const KEYS_PER_REQUEST: usize = 1000;

/// A region of the cluster. Keys and values are converted on the way; `druse_protocol::value::Value` takes anything.
///
/// Every operation goes to a server: there is no local cache. An operation whose future is dropped may have been
/// carried out or not.
pub struct Region<K, V> {
    client: Client,
    user: Arc<User>,
    path: Arc<str>,
    types: PhantomData<fn(K) -> V>,
}

impl<K, V> Clone for Region<K, V> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            user: Arc::clone(&self.user),
            path: Arc::clone(&self.path),
            types: PhantomData,
        }
    }
}

impl<K, V> fmt::Debug for Region<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<K, V> Region<K, V> {
    pub(crate) fn new(client: Client, user: Arc<User>, path: &str) -> Self {
        let path = if path.starts_with('/') { path.into() } else { format!("/{path}").into() };
        Self { client, user, path, types: PhantomData }
    }

    /// The full path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Follows the entries that `interest` means, as a stream. The builder is to be awaited:
    ///
    /// ```no_run
    /// # use druse_client::feed::{Interest, RegionEvent};
    /// # async fn example(orders: druse_client::Region<String, i64>) -> Result<(), druse_client::Error> {
    /// let mut changes = orders.subscribe(Interest::all_keys()).await?;
    /// while let Some(event) = changes.next().await {
    ///     if let RegionEvent::Updated { key, value } = event? {
    ///         println!("{key} is now {value:?}");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "registerInterest")]
    pub fn subscribe(&self, interest: Interest<K>) -> SubscriptionBuilder<K, V> {
        SubscriptionBuilder::new(
            self.client.clone(),
            Arc::clone(&self.user),
            Arc::clone(&self.path),
            interest,
        )
    }

    /// The values that satisfy an OQL condition over an entry's value, which has the name `this`: `this.total > $1`, say.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Server`] if the condition makes no sense to the server.
    pub async fn query(
        &self,
        condition: &str,
        parameters: &[&(dyn ToValue + Sync)],
    ) -> Result<QueryRows<V>, Error> {
        let oql = format!("SELECT * FROM {} this WHERE {condition}", self.path);
        self.client.core().query(&self.user, &oql, parameters).await
    }

    /// How many entries the region has.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "sizeOnServer")]
    pub async fn size(&self) -> Result<usize, Error> {
        let request = Size { region: &self.path };
        let reply = self.ask(MessageType::Size, &|out, envelope| request.encode(out, envelope)).await?;
        let size =
            SizeReply::decode(&wire::plain(&reply).map_err(Error::Malformed)?).map_err(Error::Malformed)?;
        Ok(usize::try_from(size.entries).unwrap_or(0))
    }

    /// Removes all entries. It is not repeated if the connection breaks: what others have stored meanwhile would go.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::InDoubt`] if the connection broke.
    pub async fn clear(&self) -> Result<(), Error> {
        let encode = |event: EventIdRef| {
            move |out: &mut Vec<u8>, envelope: &Envelope| {
                ClearRegion { region: &self.path, event, callback: ValueRef::Null }.encode(out, envelope);
            }
        };
        self.change(MessageType::ClearRegion, 1, Repeat::Never, encode).await.map(drop)
    }

    /// A question: it may be asked again.
    async fn ask(
        &self,
        kind: MessageType,
        encode: &(dyn Fn(&mut Vec<u8>, &Envelope) + Send + Sync),
    ) -> Result<Reply, Error> {
        let operation = Operation { kind, region: &self.path, repeat: Repeat::Question, encode };
        self.client.core().execute(&self.user, &operation).await
    }

    /// A mutation of `count` entries, under event ids of its own.
    async fn change<E, F>(
        &self,
        kind: MessageType,
        count: usize,
        repeat: Repeat,
        encode: F,
    ) -> Result<Reply, Error>
    where
        F: FnOnce(EventIdRef) -> E,
        E: Fn(&mut Vec<u8>, &Envelope) + Send + Sync,
    {
        let lane: LaneGuard = self.client.core().lanes.take(count);
        let encode = encode(EventIdRef { thread: lane.thread(), sequence: lane.sequence() });
        let operation = Operation { kind, region: &self.path, repeat, encode: &encode };
        let outcome = self.client.core().execute(&self.user, &operation).await;
        let known = match &outcome {
            Ok(_) => true,
            // The server has refused it: nothing of it is on its way any more.
            Err(error) => !error.leaves_doubt(),
        };
        if known {
            lane.finish();
        }
        outcome
    }
}

impl<K: ToValue + Sync, V: ToValue + FromValue + Sync> Region<K, V> {
    /// The value of a key; `None` if there is no entry, or one without a value.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(&self, key: &K) -> Result<Option<V>, Error> {
        let key = value::encode_key(key)?;
        let request = Get { region: &self.path, key: KeyRef::from_canonical(&key), callback: ValueRef::Null };
        let reply = self.ask(MessageType::Get, &|out, envelope| request.encode(out, envelope)).await?;
        let message = wire::plain(&reply).map_err(Error::Malformed)?;
        value::decode(GetReply::decode(&message).map_err(Error::Malformed)?.value)
    }

    /// Stores a value, over one that is there.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn put(&self, key: &K, value: &V) -> Result<(), Error> {
        self.write(PutOperation::Update, key, value, None).await.map(drop)
    }

    /// Stores a value if there is none; otherwise returns the one that is there.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "putIfAbsent")]
    pub async fn put_if_absent(&self, key: &K, value: &V) -> Result<Option<V>, Error> {
        let reply = self.write(PutOperation::PutIfAbsent, key, value, None).await?;
        old_value(&reply)
    }

    /// Stores a value if there is an entry, and returns the old value.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn replace(&self, key: &K, value: &V) -> Result<Option<V>, Error> {
        let reply = self.write(PutOperation::Replace, key, value, None).await?;
        old_value(&reply)
    }

    /// Stores a value if the entry has the expected one; tells whether it did.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn replace_if(&self, key: &K, expected: &V, value: &V) -> Result<bool, Error> {
        let expected = value::encode(expected);
        let reply = self.write(PutOperation::Replace, key, value, Some(&expected)).await?;
        let message = wire::plain(&reply).map_err(Error::Malformed)?;
        let old = PutReply::decode(&message).map_err(Error::Malformed)?.old_value;
        old.and_then(|old| old.outcome()).ok_or_else(|| malformed("no word whether the value was replaced"))
    }

    /// Removes an entry; tells whether there was one.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "destroy")]
    pub async fn remove(&self, key: &K) -> Result<bool, Error> {
        self.destroy(key, None).await
    }

    /// Removes an entry if it has the expected value; tells whether it did.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn remove_if(&self, key: &K, expected: &V) -> Result<bool, Error> {
        let expected = value::encode(expected);
        self.destroy(key, Some(&expected)).await
    }

    /// Takes the value away and leaves the entry.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn invalidate(&self, key: &K) -> Result<(), Error> {
        let key = &value::encode_key(key)?;
        let encode = |event| {
            move |out: &mut Vec<u8>, envelope: &Envelope| {
                let key = KeyRef::from_canonical(key);
                Invalidate { region: &self.path, key, event, callback: ValueRef::Null }.encode(out, envelope);
            }
        };
        self.change(MessageType::Invalidate, 1, Repeat::Recognised, encode).await.map(drop)
    }

    /// Whether there is an entry, with a value or without.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "containsKeyOnServer")]
    pub async fn contains_key(&self, key: &K) -> Result<bool, Error> {
        self.contains(key, ContainsMode::Key).await
    }

    /// Whether there is an entry with a value.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "containsValueForKey")]
    pub async fn contains_value_for_key(&self, key: &K) -> Result<bool, Error> {
        self.contains(key, ContainsMode::ValueForKey).await
    }

    /// The values of many keys, in their order; `None` for keys without one.
    ///
    /// # Errors
    /// See [`Error`]; also if a single key is refused.
    #[doc(alias = "getAll")]
    pub async fn get_all(&self, keys: &[K]) -> Result<Vec<Option<V>>, Error> {
        let mut values = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_PER_REQUEST) {
            self.get_some(keys, &mut values).await?;
        }
        Ok(values)
    }

    async fn get_some(&self, keys: &[K], values: &mut Vec<Option<V>>) -> Result<(), Error> {
        let keys: Vec<Vec<u8>> = keys.iter().map(value::encode_key).collect::<Result<_, _>>()?;
        let wanted = values.len() + keys.len();
        let encode = |out: &mut Vec<u8>, envelope: &Envelope| {
            let keys = Some(keys.iter().map(Vec::as_slice));
            GetAll { region: &self.path, keys, form: GetAllForm::Plain { wrapped: false } }
                .encode(out, envelope);
        };
        let reply = self.ask(MessageType::GetAll70, &encode).await?;
        for chunk in wire::chunks(&reply).map_err(Error::Malformed)? {
            for value in GetAllReply::decode_chunk(&chunk).map_err(Error::Malformed)?.list.values() {
                values.push(match value {
                    ListValue::Value(value) => value::decode(value)?,
                    ListValue::Absent => None,
                    ListValue::Exception { object, .. } => {
                        let exception = RemoteException::read(object).map_err(Error::Malformed)?;
                        return Err(Error::of_entry(exception));
                    }
                });
            }
        }
        if values.len() == wanted { Ok(()) } else { Err(malformed("not one answer for each key")) }
    }

    /// Stores many values. A server applies the whole of it or nothing.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "putAll")]
    pub async fn put_all<'e>(&self, entries: impl IntoIterator<Item = (&'e K, &'e V)>) -> Result<(), Error>
    where
        K: 'e,
        V: 'e,
    {
        let encoded = |(key, value): (&K, &V)| Ok((value::encode_key(key)?, value::encode(value)));
        let entries: Vec<(Vec<u8>, Stored)> =
            entries.into_iter().map(encoded).collect::<Result<_, Error>>()?;
        if entries.is_empty() {
            return Ok(());
        }
        let entries = &entries;
        let encode = |event| {
            move |out: &mut Vec<u8>, envelope: &Envelope| {
                let entries =
                    entries.iter().map(|(key, value)| (KeyRef::from_canonical(key), value.as_ref()));
                PutAll {
                    region: &self.path,
                    event,
                    skip_callbacks: false,
                    flags: BulkFlags { is_proxy: true, is_versioned: false },
                    callback: None,
                    entries,
                    timeout_ms: None,
                }
                .encode(out, envelope);
            }
        };
        let reply = self.change(MessageType::PutAll, entries.len(), Repeat::Recognised, encode).await?;
        check_bulk(&reply)
    }

    /// Removes many entries; keys without one are passed over.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "removeAll")]
    pub async fn remove_all(&self, keys: &[K]) -> Result<(), Error> {
        let keys: Vec<Vec<u8>> = keys.iter().map(value::encode_key).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Ok(());
        }
        let keys = &keys;
        let encode = |event| {
            move |out: &mut Vec<u8>, envelope: &Envelope| {
                RemoveAll {
                    region: &self.path,
                    event,
                    flags: BulkFlags { is_proxy: true, is_versioned: false },
                    callback: ValueRef::Null,
                    keys: keys.iter().map(|key| KeyRef::from_canonical(key)),
                    timeout_ms: None,
                }
                .encode(out, envelope);
            }
        };
        let reply = self.change(MessageType::RemoveAll, keys.len(), Repeat::Recognised, encode).await?;
        check_bulk(&reply)
    }

    async fn contains(&self, key: &K, mode: ContainsMode) -> Result<bool, Error> {
        let key = value::encode_key(key)?;
        let request = Contains { region: &self.path, key: KeyRef::from_canonical(&key), mode };
        let reply =
            self.ask(MessageType::ContainsKey, &|out, envelope| request.encode(out, envelope)).await?;
        let message = wire::plain(&reply).map_err(Error::Malformed)?;
        Ok(ContainsReply::decode(&message).map_err(Error::Malformed)?.is_there)
    }

    async fn write(
        &self,
        operation: PutOperation,
        key: &K,
        value: &V,
        expected: Option<&Stored>,
    ) -> Result<Reply, Error> {
        let (key, value) = (&value::encode_key(key)?, &value::encode(value));
        let encode = |event| {
            move |out: &mut Vec<u8>, envelope: &Envelope| {
                Put {
                    region: &self.path,
                    operation,
                    wants_old_value: operation != PutOperation::Update && expected.is_none(),
                    expected: expected.map(Stored::as_ref),
                    key: KeyRef::from_canonical(key),
                    is_delta: false,
                    value: value.as_ref(),
                    event,
                    callback: ValueRef::Null,
                }
                .encode(out, envelope);
            }
        };
        self.change(MessageType::Put, 1, Repeat::Recognised, encode).await
    }

    async fn destroy(&self, key: &K, expected: Option<&Stored>) -> Result<bool, Error> {
        let key = &value::encode_key(key)?;
        let encode = |event| {
            move |out: &mut Vec<u8>, envelope: &Envelope| {
                Destroy {
                    region: &self.path,
                    key: KeyRef::from_canonical(key),
                    expected: expected.map(Stored::as_ref),
                    event,
                    callback: ValueRef::Null,
                }
                .encode(out, envelope);
            }
        };
        let reply = self.change(MessageType::Destroy, 1, Repeat::Recognised, encode).await?;
        let message = wire::plain(&reply).map_err(Error::Malformed)?;
        let reply = DestroyReply::decode(&message).map_err(Error::Malformed)?;
        Ok(!reply.entry_not_found.unwrap_or(false))
    }
}

impl<K: FromValue, V> Region<K, V> {
    /// All keys, in no particular order.
    ///
    /// # Errors
    /// See [`Error`].
    #[doc(alias = "keySetOnServer")]
    pub async fn keys(&self) -> Result<Vec<K>, Error> {
        let request = KeySet { region: &self.path };
        let reply = self.ask(MessageType::KeySet, &|out, envelope| request.encode(out, envelope)).await?;
        let mut keys = Vec::new();
        for chunk in wire::chunks(&reply).map_err(Error::Malformed)? {
            for key in KeySetReply::decode_chunk(&chunk).map_err(Error::Malformed)?.keys {
                keys.push(value::decode_key(key)?);
            }
        }
        Ok(keys)
    }
}

fn old_value<V: FromValue>(reply: &Reply) -> Result<Option<V>, Error> {
    let message = wire::plain(reply).map_err(Error::Malformed)?;
    match PutReply::decode(&message).map_err(Error::Malformed)?.old_value {
        Some(old) => value::decode(old.value()),
        None => Ok(None),
    }
}

fn check_bulk(reply: &Reply) -> Result<(), Error> {
    for chunk in wire::chunks(reply).map_err(Error::Malformed)? {
        BulkReply::decode_chunk(&chunk).map_err(Error::Malformed)?;
    }
    Ok(())
}

fn malformed(problem: &'static str) -> Error {
    Error::Malformed(druse_protocol::DecodeError::Parts { message: "reply", problem })
}
