"""The simulated internet: namespaces, places, sites, DHCP, DNS, metadata and the cloud firewall."""
