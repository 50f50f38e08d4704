//! The byte in front of every serialized object (Geode `DSCODE`).

use crate::error::DecodeError;

macro_rules! codes {
    ($($name:ident = $number:literal, $doc:literal;)*) => {
        /// What kind of object follows. The discriminant is the number on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum DsCode {
            $(#[doc = $doc] $name = $number,)*
        }

        impl DsCode {
            /// Every code, in ascending order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code of that number; `None` if Geode has none.
            #[must_use]
            pub const fn from_wire(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    FixedId1 = 1, "An object of Geode's own, known by an id of one byte.";
    FixedId2 = 2, "An object of Geode's own, known by an id of two bytes.";
    FixedId4 = 3, "An object of Geode's own, known by an id of four bytes.";
    NoFixedId = 4, "An object of Geode's own, known by its class name.";
    UserClass2 = 5, "Written by a user's `DataSerializer` with an id of two bytes.";
    UserClass4 = 6, "Written by a user's `DataSerializer` with an id of four bytes.";
    LinkedList = 10, "`java.util.LinkedList`.";
    Properties = 11, "`java.util.Properties`.";
    BooleanType = 17, "The class `boolean`.";
    CharacterType = 18, "The class `char`.";
    ByteType = 19, "The class `byte`.";
    ShortType = 20, "The class `short`.";
    IntegerType = 21, "The class `int`.";
    LongType = 22, "The class `long`.";
    FloatType = 23, "The class `float`.";
    DoubleType = 24, "The class `double`.";
    VoidType = 25, "The class `void`.";
    BooleanArray = 26, "`boolean[]`.";
    CharArray = 27, "`char[]`.";
    UserDataSerializable4 = 37, "A class with a user's `Instantiator`, id of four bytes.";
    UserDataSerializable2 = 38, "A class with a user's `Instantiator`, id of two bytes.";
    UserDataSerializable = 39, "A class with a user's `Instantiator`, id of one byte.";
    UserClass = 40, "Written by a user's `DataSerializer` with an id of one byte.";
    Null = 41, "No object.";
    String = 42, "Text in modified UTF-8, up to 65535 bytes.";
    Class = 43, "`java.lang.Class`.";
    Serializable = 44, "A Java serialization stream.";
    DataSerializable = 45, "A `DataSerializable`, known by its class name.";
    ByteArray = 46, "`byte[]`.";
    ShortArray = 47, "`short[]`.";
    IntArray = 48, "`int[]`.";
    LongArray = 49, "`long[]`.";
    FloatArray = 50, "`float[]`.";
    DoubleArray = 51, "`double[]`.";
    ObjectArray = 52, "An array of objects.";
    Boolean = 53, "`Boolean`.";
    Character = 54, "`Character`.";
    Byte = 55, "`Byte`.";
    Short = 56, "`Short`.";
    Integer = 57, "`Integer`.";
    Long = 58, "`Long`.";
    Float = 59, "`Float`.";
    Double = 60, "`Double`.";
    Date = 61, "`java.util.Date`.";
    InetAddress = 62, "`java.net.InetAddress`.";
    File = 63, "`java.io.File`.";
    StringArray = 64, "`String[]`.";
    ArrayList = 65, "`java.util.ArrayList`.";
    HashSet = 66, "`java.util.HashSet`.";
    HashMap = 67, "`java.util.HashMap`.";
    TimeUnit = 68, "`java.util.concurrent.TimeUnit`, seconds and finer.";
    NullString = 69, "No string, where a string is due.";
    Hashtable = 70, "`java.util.Hashtable`.";
    Vector = 71, "`java.util.Vector`.";
    IdentityHashMap = 72, "`java.util.IdentityHashMap`.";
    LinkedHashSet = 73, "`java.util.LinkedHashSet`.";
    Stack = 74, "`java.util.Stack`.";
    TreeMap = 75, "`java.util.TreeMap`.";
    TreeSet = 76, "`java.util.TreeSet`.";
    StringBytes = 87, "Text of characters up to U+007F, up to 65535 of them.";
    HugeStringBytes = 88, "Text of characters up to U+007F, more of them.";
    HugeString = 89, "Text in UTF-16, where modified UTF-8 needs more than 65535 bytes.";
    ByteArrays = 91, "`byte[][]`.";
    Pdx = 93, "A PDX object.";
    PdxEnum = 94, "An enum constant, registered like a PDX type.";
    BigInteger = 95, "`java.math.BigInteger`.";
    BigDecimal = 96, "`java.math.BigDecimal`.";
    ConcurrentHashMap = 97, "`java.util.concurrent.ConcurrentHashMap`.";
    Uuid = 98, "`java.util.UUID`.";
    Timestamp = 99, "`java.sql.Timestamp`.";
    GemfireEnum = 100, "An enum constant of one of Geode's own classes.";
    InlineEnum = 101, "An enum constant by class and name.";
    Wildcard = 102, "`*`.";
}

impl DsCode {
    /// The number on the wire.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        self as u8
    }

    /// The code of that number.
    ///
    /// # Errors
    /// If Geode has none ("Unknown header byte").
    pub const fn decode(number: u8) -> Result<Self, DecodeError> {
        match Self::from_wire(number) {
            Some(code) => Ok(code),
            None => Err(DecodeError::UnknownCode { code: number }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_agree() {
        assert!(DsCode::ALL.windows(2).all(|pair| pair[0].to_wire() < pair[1].to_wire()));
        for number in 0..=u8::MAX {
            match DsCode::from_wire(number) {
                Some(code) => assert_eq!(code.to_wire(), number),
                None => assert_eq!(DsCode::decode(number), Err(DecodeError::UnknownCode { code: number })),
            }
        }
    }
}
