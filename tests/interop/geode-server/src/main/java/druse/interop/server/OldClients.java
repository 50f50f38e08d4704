package druse.interop.server;

import java.io.DataInput;
import java.io.DataOutput;

import org.apache.geode.cache.Cache;
import org.apache.geode.internal.InternalDataSerializer;
import org.apache.geode.internal.cache.CacheService;
import org.apache.geode.internal.cache.tier.sockets.OldClientSupportService;
import org.apache.geode.internal.serialization.KnownVersion;
import org.apache.geode.management.internal.beans.CacheServiceMBeanBase;
import org.apache.geode.security.AuthenticationExpiredException;
import org.apache.geode.security.AuthenticationRequiredException;

/**
 * What a Geode distribution's module {@code geode-old-client-support} does for clients from before 1.15: an expired
 * login is told to them by the exception and text that every client since 6.5 answers by logging in again. The module
 * of 1.15.1 is not on Maven Central (its last version there is 1.14.4, which does not know of expiry), hence this
 * stand-in; Geode finds it through {@code META-INF/services}.
 */
public final class OldClients implements OldClientSupportService {
  private static final String LOGIN_AGAIN = "User authorization attributes not found.";
  private static final String OLD_LOCATOR_PACKAGE = "com.gemstone.org.jgroups.stack.tcpserver";
  private static final String LOCATOR_PACKAGE = "org.apache.geode.distributed.internal.tcpserver";

  @Override
  public boolean init(Cache cache) {
    InternalDataSerializer.setOldClientSupportService(this);
    return true;
  }

  @Override
  public Class<? extends CacheService> getInterface() {
    return OldClientSupportService.class;
  }

  @Override
  public CacheServiceMBeanBase getMBean() {
    return null;
  }

  @Override
  public Throwable getThrowable(Throwable error, KnownVersion client) {
    if (error == null || client.isNotOlderThan(KnownVersion.GEODE_1_15_0)) {
      return error;
    }
    boolean expired = error instanceof AuthenticationExpiredException
        || error.getCause() instanceof AuthenticationExpiredException;
    return expired ? new AuthenticationRequiredException(LOGIN_AGAIN) : error;
  }

  @Override
  public String processIncomingClassName(String name) {
    return name.startsWith(OLD_LOCATOR_PACKAGE)
        ? LOCATOR_PACKAGE + name.substring(OLD_LOCATOR_PACKAGE.length())
        : name;
  }

  @Override
  public String processIncomingClassName(String name, DataInput in) {
    return processIncomingClassName(name);
  }

  @Override
  public String processOutgoingClassName(String name, DataOutput out) {
    return name;
  }
}
