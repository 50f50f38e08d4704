//! The throwable classes that a server sends, with what a Java stream says of them.

macro_rules! throwables {
    ($($variant:ident $name:literal $parent:ident $uid:literal,)*) => {
        /// A throwable class that both Geode 1.14 and 1.15 have, and that a client can therefore load.
        ///
        /// Variants are Geode's or Java's names without `Exception`. Some are abstract in Java and only stand in the
        /// lineage of others; see [`ThrowableClass::is_abstract`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ThrowableClass {
            /// `java.lang.Throwable`: the top of every lineage.
            Throwable,
            $(
                #[doc = concat!("`", $name, "`.")]
                $variant,
            )*
        }

        impl ThrowableClass {
            /// Every class.
            pub const ALL: &'static [Self] = &[Self::Throwable, $(Self::$variant,)*];

            /// The class's full name in Java.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Throwable => "java.lang.Throwable",
                    $(Self::$variant => $name,)*
                }
            }

            /// The class of that name, if it is one of these.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    "java.lang.Throwable" => Some(Self::Throwable),
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The class above; `None` for `Throwable`.
            #[must_use]
            pub const fn parent(self) -> Option<Self> {
                match self {
                    Self::Throwable => None,
                    $(Self::$variant => Some(Self::$parent),)*
                }
            }

            /// The `serialVersionUID`, by which Java recognises its own class; the same in 1.14 and 1.15.
            #[must_use]
            pub const fn serial_version_uid(self) -> u64 {
                match self {
                    Self::Throwable => 0xd5c6_3527_3977_b8cb,
                    $(Self::$variant => $uid,)*
                }
            }
        }
    };
}

throwables! {
    Exception "java.lang.Exception" Throwable 0xd0fd_1f3e_1a3b_1cc4,
    RuntimeException "java.lang.RuntimeException" Exception 0x9e5f_0647_0a34_83e5,
    Error "java.lang.Error" Throwable 0x451d_3656_8b82_0e56,
    IllegalArgument "java.lang.IllegalArgumentException" RuntimeException 0xb589_73d3_7d66_8fbc,
    IllegalState "java.lang.IllegalStateException" RuntimeException 0xe657_55e6_9a46_f248,
    UnsupportedOperation "java.lang.UnsupportedOperationException" RuntimeException 0xeec1_65e7_1283_8b7f,
    ClassCast "java.lang.ClassCastException" RuntimeException 0x8000_05ce_ce67_e55c,
    NullPointer "java.lang.NullPointerException" RuntimeException 0x47a5_a18e_ff31_e1b8,
    IndexOutOfBounds "java.lang.IndexOutOfBoundsException" RuntimeException 0x033f_c59f_dab4_2b27,
    Io "java.io.IOException" Exception 0x6c80_7364_6525_f0ab,
    JavaTimeout "java.util.concurrent.TimeoutException" Exception 0x1a61_72bd_dbe4_f56a,
    GemFire "org.apache.geode.GemFireException" RuntimeException 0x9f3d_32cf_dac9_7f49,
    GemFireChecked "org.apache.geode.GemFireCheckedException" Exception 0x87d4_6581_a19a_90fc,
    GemFireIo "org.apache.geode.GemFireIOException" GemFire 0x4f05_2f6b_eb48_83f1,
    InternalGemFire "org.apache.geode.InternalGemFireException" GemFire 0xa010_a549_d1a6_4e05,
    InternalGemFireError "org.apache.geode.InternalGemFireError" Error 0x58ad_feb2_e93d_6159,
    Serialization "org.apache.geode.SerializationException" GemFireIo 0x6c02_d5a8_4fd3_28b5,
    Copy "org.apache.geode.CopyException" GemFire 0xf020_b85a_034a_837f,
    InvalidDelta "org.apache.geode.InvalidDeltaException" GemFire 0x6ce4_3e2b_80e4_648b,
    DeltaSerialization "org.apache.geode.DeltaSerializationException" RuntimeException 0xdb7e_d071_a3c6_9d7e,
    PdxSerialization "org.apache.geode.pdx.PdxSerializationException" Serialization 0xcaa8_06b0_73c6_175d,
    Cache "org.apache.geode.cache.CacheException" GemFire 0x6ad9_e16b_118e_3fbc,
    CacheRuntime "org.apache.geode.cache.CacheRuntimeException" GemFire 0x5dad_3312_f541_7330,
    Cancel "org.apache.geode.CancelException" CacheRuntime 0x2ca0_07c1_0436_46d2,
    CacheClosed "org.apache.geode.cache.CacheClosedException" Cancel 0xa613_f8f8_133a_d4c2,
    OperationAborted "org.apache.geode.cache.OperationAbortedException" CacheRuntime 0x8ce8_c141_e606_5beb,
    CacheWriter "org.apache.geode.cache.CacheWriterException" OperationAborted 0xd823_da17_79c0_ee46,
    CacheLoader "org.apache.geode.cache.CacheLoaderException" OperationAborted 0xd10c_e9e2_e184_9424,
    Timeout "org.apache.geode.cache.TimeoutException" OperationAborted 0xa91d_4e69_ad80_111e,
    RegionDestroyed "org.apache.geode.cache.RegionDestroyedException" CacheRuntime 0x0470_2ccf_4738_0302,
    RegionExists "org.apache.geode.cache.RegionExistsException" Cache 0xb1ad_a7d6_fc23_2e7e,
    EntryExists "org.apache.geode.cache.EntryExistsException" Cache 0x2897_fb07_9c26_7f05,
    EntryNotFound "org.apache.geode.cache.EntryNotFoundException" Cache 0xdea2_ea4d_abed_0225,
    EntryDestroyed "org.apache.geode.cache.EntryDestroyedException" CacheRuntime 0x0b8b_61aa_30e5_8a1e,
    ResourceProblem "org.apache.geode.cache.ResourceException" CacheRuntime 0xb2d9_4c19_8fb3_913c,
    LowMemory "org.apache.geode.cache.LowMemoryException" ResourceProblem 0x5b65_56cc_920d_5660,
    PartitionedRegionStorage "org.apache.geode.cache.PartitionedRegionStorageException" CacheRuntime 0x51f4_6bdf_98d1_d2c4,
    PartitionOffline "org.apache.geode.cache.persistence.PartitionOfflineException" GemFire 0xa632_39fc_2d93_89a2,
    Transaction "org.apache.geode.cache.TransactionException" Cache 0x8b6a_743f_2a55_a2d7,
    CommitConflict "org.apache.geode.cache.CommitConflictException" Transaction 0xeb4e_3fe4_c635_0cbd,
    TransactionDataNodeHasDeparted "org.apache.geode.cache.TransactionDataNodeHasDepartedException" Transaction 0xe13b_26ef_bd35_bee0,
    TransactionDataRebalanced "org.apache.geode.cache.TransactionDataRebalancedException" Transaction 0xe13b_26ef_bd35_bee0,
    TransactionDataNotColocated "org.apache.geode.cache.TransactionDataNotColocatedException" Transaction 0xe13b_26ef_bd35_bee0,
    TransactionInDoubt "org.apache.geode.cache.TransactionInDoubtException" Transaction 0x43f0_2530_816f_0050,
    UnsupportedInTransaction "org.apache.geode.cache.UnsupportedOperationInTransactionException" UnsupportedOperation 0x633a_7511_4180_5a2c,
    SynchronizationCommitConflict "org.apache.geode.cache.SynchronizationCommitConflictException" CacheRuntime 0x245b_6c18_63c9_cb64,
    ServerConnectivity "org.apache.geode.cache.client.ServerConnectivityException" GemFire 0xb7c1_d58b_0173_b7fe,
    ServerOperation "org.apache.geode.cache.client.ServerOperationException" ServerConnectivity 0xd4e4_1f98_74b5_5ed5,
    ServerRefusedConnection "org.apache.geode.cache.client.ServerRefusedConnectionException" OperationAborted 0x18e8_f9e7_e209_cf3a,
    Function "org.apache.geode.cache.execute.FunctionException" GemFire 0x43e8_094e_6ad7_729c,
    FunctionInvocationTarget "org.apache.geode.cache.execute.FunctionInvocationTargetException" Function 0x0000_0000_0000_0001,
    InternalFunction "org.apache.geode.internal.cache.execute.InternalFunctionException" Function 0x3106_aa28_e39c_565f,
    InternalFunctionInvocationTarget "org.apache.geode.internal.cache.execute.InternalFunctionInvocationTargetException" FunctionInvocationTarget 0xabda_180e_b692_c0f9,
    Query "org.apache.geode.cache.query.QueryException" GemFireChecked 0x628b_377d_cd9f_b8fc,
    QueryInvalid "org.apache.geode.cache.query.QueryInvalidException" GemFire 0x278a_9670_0e45_bd8a,
    NameResolution "org.apache.geode.cache.query.NameResolutionException" Query 0x992b_3435_7f4d_97ee,
    RegionNotFound "org.apache.geode.cache.query.RegionNotFoundException" NameResolution 0x0838_f7e9_ad8a_e725,
    TypeMismatch "org.apache.geode.cache.query.TypeMismatchException" Query 0x3a5e_5d51_f89e_a99f,
    FunctionDomain "org.apache.geode.cache.query.FunctionDomainException" Query 0x10a0_8fd8_f41c_6127,
    QueryInvocationTarget "org.apache.geode.cache.query.QueryInvocationTargetException" Query 0x2954_b8ac_c075_f83a,
    QueryExecutionTimeout "org.apache.geode.cache.query.QueryExecutionTimeoutException" CacheRuntime 0x2bc1_ce3f_5c5d_8ef2,
    Cq "org.apache.geode.cache.query.CqException" Query 0xae0b_95f8_5a0b_8c9d,
    CqExists "org.apache.geode.cache.query.CqExistsException" Query 0xbd50_6910_8841_9521,
    CqClosed "org.apache.geode.cache.query.CqClosedException" CacheRuntime 0xcb59_0712_30bc_0da0,
    Security "org.apache.geode.security.GemFireSecurityException" GemFire 0x34ee_f454_80b3_a93e,
    AuthenticationExpired "org.apache.geode.security.AuthenticationExpiredException" Security 0x1896_ab85_076b_0db1,
    AuthenticationFailed "org.apache.geode.security.AuthenticationFailedException" Security 0x8e29_9067_73d7_e111,
    AuthenticationRequired "org.apache.geode.security.AuthenticationRequiredException" Security 0x40e4_67fd_6306_32e7,
    NotAuthorized "org.apache.geode.security.NotAuthorizedException" Security 0x05d1_5a85_24c7_c0a1,
}

impl ThrowableClass {
    /// The class and all above it, `Throwable` last.
    pub fn lineage(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |class| class.parent())
    }

    /// Whether this is the other class or descends from it.
    #[must_use]
    pub fn is_a(self, other: Self) -> bool {
        self.lineage().any(|class| class == other)
    }

    /// Whether Java cannot make an object of it.
    #[must_use]
    pub const fn is_abstract(self) -> bool {
        matches!(
            self,
            Self::GemFire
                | Self::GemFireChecked
                | Self::Cache
                | Self::CacheRuntime
                | Self::Cancel
                | Self::OperationAborted
                | Self::ResourceProblem
        )
    }

    /// Whether a Java client that gets one in answer to an operation drops its connections and thinks the server gone:
    /// the wrong thing to send for anything that the application should hear of (Geode `OpExecutorImpl`).
    #[must_use]
    pub fn ends_connections(self) -> bool {
        self.is_a(Self::Cancel) || self.is_a(Self::Io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for &class in ThrowableClass::ALL {
            assert_eq!(ThrowableClass::from_name(class.name()), Some(class));
            assert!(class.is_a(ThrowableClass::Throwable));
        }
        assert_eq!(ThrowableClass::from_name("java.lang.Object"), None);
    }

    #[test]
    fn a_lineage_goes_up_to_throwable() {
        use ThrowableClass::*;
        assert_eq!(
            NotAuthorized.lineage().collect::<Vec<_>>(),
            [NotAuthorized, Security, GemFire, RuntimeException, Exception, Throwable]
        );
        assert!(CacheClosed.ends_connections() && Io.ends_connections());
        assert!(!RegionDestroyed.ends_connections() && !GemFireIo.ends_connections());
    }
}
