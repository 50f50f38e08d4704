package druse.interop.server;

import java.io.Serializable;
import java.security.Principal;

/** One login: whose it is, and the credential that it was made with. */
final class GridPrincipal implements Principal, Serializable {
  private final String name;
  /** Absent in a copy that came over the network, which is then permitted nothing. */
  final transient Credential credential;

  GridPrincipal(Credential credential) {
    this.name = credential.user.name;
    this.credential = credential;
  }

  @Override
  public String getName() {
    return name;
  }

  @Override
  public String toString() {
    return name;
  }
}
