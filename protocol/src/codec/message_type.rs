//! The numbers of messages (Geode `MessageType`), and one of our own.

macro_rules! message_types {
    ($($number:literal $name:ident $geode:literal,)*) => {
        /// What a message is; the discriminant is the number on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i32)]
        pub enum MessageType {
            $(
                #[doc = concat!("`", $geode, "`.")]
                $name = $number,
            )*
        }

        impl MessageType {
            /// Every type that Geode has a number for, and last [`MessageType::FeedNotice`], which only we know.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The type of this number, if there is one.
            #[must_use]
            pub const fn from_wire(number: i32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The name in Geode's style, for logs and errors.
            #[must_use]
            pub const fn geode_name(self) -> &'static str {
                match self {
                    $(Self::$name => $geode,)*
                }
            }
        }
    };
}

message_types! {
    -1 Invalid "INVALID",
    0 Get "REQUEST",
    1 Response "RESPONSE",
    2 Exception "EXCEPTION",
    3 RequestDataError "REQUESTDATAERROR",
    5 Ping "PING",
    6 Reply "REPLY",
    7 Put "PUT",
    8 PutDataError "PUT_DATA_ERROR",
    9 Destroy "DESTROY",
    10 DestroyDataError "DESTROY_DATA_ERROR",
    11 DestroyRegion "DESTROY_REGION",
    12 DestroyRegionDataError "DESTROY_REGION_DATA_ERROR",
    13 ClientNotification "CLIENT_NOTIFICATION",
    14 UpdateClientNotification "UPDATE_CLIENT_NOTIFICATION",
    15 LocalInvalidate "LOCAL_INVALIDATE",
    16 LocalDestroy "LOCAL_DESTROY",
    17 LocalDestroyRegion "LOCAL_DESTROY_REGION",
    18 CloseConnection "CLOSE_CONNECTION",
    19 ProcessBatch "PROCESS_BATCH",
    20 RegisterInterest "REGISTER_INTEREST",
    21 RegisterInterestDataError "REGISTER_INTEREST_DATA_ERROR",
    22 UnregisterInterest "UNREGISTER_INTEREST",
    23 UnregisterInterestDataError "UNREGISTER_INTEREST_DATA_ERROR",
    24 RegisterInterestList "REGISTER_INTEREST_LIST",
    25 UnregisterInterestList "UNREGISTER_INTEREST_LIST",
    26 UnknownMessageTypeError "UNKNOWN_MESSAGE_TYPE_ERROR",
    27 LocalCreate "LOCAL_CREATE",
    28 LocalUpdate "LOCAL_UPDATE",
    29 CreateRegion "CREATE_REGION",
    30 CreateRegionDataError "CREATE_REGION_DATA_ERROR",
    31 MakePrimary "MAKE_PRIMARY",
    32 ResponseFromPrimary "RESPONSE_FROM_PRIMARY",
    33 ResponseFromSecondary "RESPONSE_FROM_SECONDARY",
    34 Query "QUERY",
    35 QueryDataError "QUERY_DATA_ERROR",
    36 ClearRegion "CLEAR_REGION",
    37 ClearRegionDataError "CLEAR_REGION_DATA_ERROR",
    38 ContainsKey "CONTAINS_KEY",
    39 ContainsKeyDataError "CONTAINS_KEY_DATA_ERROR",
    40 KeySet "KEY_SET",
    41 KeySetDataError "KEY_SET_DATA_ERROR",
    42 ExecuteCq "EXECUTECQ",
    43 ExecuteCqWithInitialResults "EXECUTECQ_WITH_IR",
    44 StopCq "STOPCQ",
    45 CloseCq "CLOSECQ",
    46 CloseClientCqs "CLOSECLIENTCQS",
    47 CqDataError "CQDATAERROR",
    48 GetCqStats "GETCQSTATS",
    49 MonitorCq "MONITORCQ",
    50 CqException "CQ_EXCEPTION_TYPE",
    51 RegisterInstantiators "REGISTER_INSTANTIATORS",
    52 PeriodicAck "PERIODIC_ACK",
    53 ClientReady "CLIENT_READY",
    54 ClientMarker "CLIENT_MARKER",
    55 InvalidateRegion "INVALIDATE_REGION",
    56 PutAll "PUTALL",
    58 GetAllDataError "GET_ALL_DATA_ERROR",
    59 ExecuteRegionFunction "EXECUTE_REGION_FUNCTION",
    60 ExecuteRegionFunctionResult "EXECUTE_REGION_FUNCTION_RESULT",
    61 ExecuteRegionFunctionError "EXECUTE_REGION_FUNCTION_ERROR",
    62 ExecuteFunction "EXECUTE_FUNCTION",
    63 ExecuteFunctionResult "EXECUTE_FUNCTION_RESULT",
    64 ExecuteFunctionError "EXECUTE_FUNCTION_ERROR",
    65 ClientRegisterInterest "CLIENT_REGISTER_INTEREST",
    66 ClientUnregisterInterest "CLIENT_UNREGISTER_INTEREST",
    67 RegisterDataSerializers "REGISTER_DATASERIALIZERS",
    68 RequestEventValue "REQUEST_EVENT_VALUE",
    69 RequestEventValueError "REQUEST_EVENT_VALUE_ERROR",
    70 PutDeltaError "PUT_DELTA_ERROR",
    71 GetClientPrMetadata "GET_CLIENT_PR_METADATA",
    72 ResponseClientPrMetadata "RESPONSE_CLIENT_PR_METADATA",
    73 GetClientPartitionAttributes "GET_CLIENT_PARTITION_ATTRIBUTES",
    74 ResponseClientPartitionAttributes "RESPONSE_CLIENT_PARTITION_ATTRIBUTES",
    75 GetClientPrMetadataError "GET_CLIENT_PR_METADATA_ERROR",
    76 GetClientPartitionAttributesError "GET_CLIENT_PARTITION_ATTRIBUTES_ERROR",
    77 UserCredentialMessage "USER_CREDENTIAL_MESSAGE",
    78 RemoveUserAuth "REMOVE_USER_AUTH",
    79 ExecuteRegionFunctionSingleHop "EXECUTE_REGION_FUNCTION_SINGLE_HOP",
    80 QueryWithParameters "QUERY_WITH_PARAMETERS",
    81 Size "SIZE",
    82 SizeError "SIZE_ERROR",
    83 Invalidate "INVALIDATE",
    84 InvalidateError "INVALIDATE_ERROR",
    85 Commit "COMMIT",
    86 CommitError "COMMIT_ERROR",
    87 Rollback "ROLLBACK",
    88 TransactionFailover "TX_FAILOVER",
    89 GetEntry "GET_ENTRY",
    90 TransactionSynchronization "TX_SYNCHRONIZATION",
    91 GetFunctionAttributes "GET_FUNCTION_ATTRIBUTES",
    92 GetPdxTypeById "GET_PDX_TYPE_BY_ID",
    93 GetPdxIdForType "GET_PDX_ID_FOR_TYPE",
    94 AddPdxType "ADD_PDX_TYPE",
    95 GetAllForRi "GET_ALL_FOR_RI",
    96 AddPdxEnum "ADD_PDX_ENUM",
    97 GetPdxIdForEnum "GET_PDX_ID_FOR_ENUM",
    98 GetPdxEnumById "GET_PDX_ENUM_BY_ID",
    99 ServerToClientPing "SERVER_TO_CLIENT_PING",
    100 GetAll70 "GET_ALL_70",
    101 GetPdxTypes "GET_PDX_TYPES",
    102 GetPdxEnums "GET_PDX_ENUMS",
    103 TombstoneOperation "TOMBSTONE_OPERATION",
    104 GatewayReceiverCommand "GATEWAY_RECEIVER_COMMAND",
    105 GetDurableCqs "GETDURABLECQS",
    106 GetDurableCqsDataError "GET_DURABLE_CQS_DATA_ERROR",
    107 GetAllWithCallback "GET_ALL_WITH_CALLBACK",
    108 PutAllWithCallback "PUT_ALL_WITH_CALLBACK",
    109 RemoveAll "REMOVE_ALL",
    110 ClientReAuthenticate "CLIENT_RE_AUTHENTICATE",
    1110 FeedNotice "FEED_NOTICE",
}

impl MessageType {
    /// The number on the wire.
    #[must_use]
    pub const fn to_wire(self) -> i32 {
        self as i32
    }

    /// Whether a request of this type is answered by a chunked reply; errors follow the framing of the request, not
    /// of the error.
    #[must_use]
    pub const fn is_answered_in_chunks(self) -> bool {
        matches!(
            self,
            Self::Query
                | Self::QueryWithParameters
                | Self::KeySet
                | Self::RegisterInterest
                | Self::RegisterInterestList
                | Self::GetAll70
                | Self::GetAllWithCallback
                | Self::PutAll
                | Self::PutAllWithCallback
                | Self::RemoveAll
                | Self::ExecuteFunction
                | Self::ExecuteRegionFunction
                | Self::ExecuteRegionFunctionSingleHop
                | Self::ExecuteCq
                | Self::ExecuteCqWithInitialResults
                | Self::StopCq
                | Self::CloseCq
                | Self::GetCqStats
                | Self::MonitorCq
                | Self::GetDurableCqs
        )
    }

    /// Whether the protocol lets a request of this type come without a security part, and has its reply go without
    /// one (Geode `ServerConnection.isInternalMessage`; both groups of it).
    #[must_use]
    pub const fn is_internal(self) -> bool {
        matches!(
            self,
            Self::Ping
                | Self::RequestEventValue
                | Self::MakePrimary
                | Self::RemoveUserAuth
                | Self::ClientReady
                | Self::Size
                | Self::TransactionFailover
                | Self::TransactionSynchronization
                | Self::Commit
                | Self::Rollback
                | Self::CloseConnection
                | Self::Invalid
                | Self::PeriodicAck
                | Self::GetClientPrMetadata
                | Self::GetClientPartitionAttributes
                | Self::GetCqStats
                | Self::MonitorCq
                | Self::RegisterDataSerializers
                | Self::RegisterInstantiators
                | Self::AddPdxType
                | Self::GetPdxIdForType
                | Self::GetPdxTypeById
                | Self::GetFunctionAttributes
                | Self::AddPdxEnum
                | Self::GetPdxIdForEnum
                | Self::GetPdxEnumById
                | Self::GetPdxTypes
                | Self::GetPdxEnums
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_and_gaps_stay_gaps() {
        for &kind in MessageType::ALL {
            assert_eq!(MessageType::from_wire(kind.to_wire()), Some(kind));
        }
        for gap in [4, 57, 111, 1109, -2] {
            assert_eq!(MessageType::from_wire(gap), None);
        }
        assert_eq!(MessageType::ALL.len(), 111);
    }
}
