// Drive the lab's cloud with Hetzner's own Go client, and print what was seen as one JSON object.
//
//	hcloud_go <endpoint>
//
// The token is the first line of standard input. Whatever goes wrong unexpectedly ends the program with exit code 1.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
)

const (
	publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ops@example.com"
	within    = 30 * time.Second
)

// seen is what the test compares.
type seen struct {
	Status     string   `json:"status"`
	Country    string   `json:"country"`
	IPv4       bool     `json:"ipv4"`
	IPv6       bool     `json:"ipv6"`
	Firewalls  int      `json:"firewalls"`
	Volumes    int      `json:"volumes"`
	PrivateIPs []string `json:"private_ips"`
	Labelled   []string `json:"labelled"`
	Paged      int      `json:"paged"`
	Codes      []string `json:"codes"`
	Missing    bool     `json:"missing"`
	Records    []string `json:"records"`
}

// must returns a value, or ends the program.
func must[T any](value T, _ *hcloud.Response, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// code returns the API's error code of a request that must be refused.
func code(err error) string {
	var refused hcloud.Error
	if !errors.As(err, &refused) {
		return fmt.Sprintf("no refusal: %v", err)
	}
	return string(refused.Code)
}

func newClient(endpoint, token string) *hcloud.Client {
	polls := hcloud.PollOpts{BackoffFunc: hcloud.ConstantBackoff(10 * time.Millisecond)}
	return hcloud.NewClient(hcloud.WithEndpoint(endpoint), hcloud.WithToken(token), hcloud.WithPollOpts(polls))
}

func main() {
	if len(os.Args) != 2 {
		check(errors.New("usage: hcloud_go <endpoint>; the token is read from standard input"))
	}
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	client := newClient(os.Args[1], strings.TrimSpace(line))
	found := &seen{}
	server, release := furnish(ctx, client, found)
	refusals(ctx, client, newClient(os.Args[1], "unknown"), server, found)
	pages(ctx, client, found)
	names(ctx, client, found)
	release()
	check(json.NewEncoder(os.Stdout).Encode(found))
}

// furnish creates a server with one of everything, and returns what deletes it all.
func furnish(ctx context.Context, client *hcloud.Client, found *seen) (*hcloud.Server, func()) {
	place := &hcloud.Location{Name: "fsn1"}
	key := must(client.SSHKey.Create(ctx, hcloud.SSHKeyCreateOpts{Name: "ops", PublicKey: publicKey}))
	v4 := must(client.PrimaryIP.Create(ctx, hcloud.PrimaryIPCreateOpts{
		Name: "v4", Type: hcloud.PrimaryIPTypeIPv4, Location: "fsn1", AssigneeType: "server",
	})).PrimaryIP
	v6 := must(client.PrimaryIP.Create(ctx, hcloud.PrimaryIPCreateOpts{
		Name: "v6", Type: hcloud.PrimaryIPTypeIPv6, Location: "fsn1", AssigneeType: "server",
	})).PrimaryIP
	_, anywhere, err := net.ParseCIDR("0.0.0.0/0")
	check(err)
	firewall := must(client.Firewall.Create(ctx, hcloud.FirewallCreateOpts{Name: "fw", Rules: []hcloud.FirewallRule{{
		Direction: hcloud.FirewallRuleDirectionIn,
		Protocol:  hcloud.FirewallRuleProtocolTCP,
		Port:      hcloud.Ptr("443"),
		SourceIPs: []net.IPNet{*anywhere},
	}}})).Firewall
	data := must(client.Volume.Create(ctx, hcloud.VolumeCreateOpts{Name: "data", Size: 10, Location: place}))
	check(client.Action.WaitFor(ctx, data.Action))
	_, whole, err := net.ParseCIDR("10.0.0.0/16")
	check(err)
	_, part, err := net.ParseCIDR("10.0.1.0/24")
	check(err)
	lan := must(client.Network.Create(ctx, hcloud.NetworkCreateOpts{Name: "lan", IPRange: whole}))
	check(client.Action.WaitFor(ctx, must(client.Network.AddSubnet(ctx, lan, hcloud.NetworkAddSubnetOpts{
		Subnet: hcloud.NetworkSubnet{
			Type: hcloud.NetworkSubnetTypeCloud, IPRange: part, NetworkZone: hcloud.NetworkZoneEUCentral,
		},
	}))))

	made := must(client.Server.Create(ctx, hcloud.ServerCreateOpts{
		Name:       "edge",
		ServerType: &hcloud.ServerType{Name: "cx23"},
		Image:      &hcloud.Image{Name: "debian-12"},
		Location:   place,
		SSHKeys:    []*hcloud.SSHKey{key},
		Firewalls:  []*hcloud.ServerCreateFirewall{{Firewall: *firewall}},
		Volumes:    []*hcloud.Volume{data.Volume},
		Networks:   []*hcloud.Network{lan},
		PublicNet:  &hcloud.ServerCreatePublicNet{EnableIPv4: true, EnableIPv6: true, IPv4: v4, IPv6: v6},
		Labels:     map[string]string{"role": "new"},
	}))
	check(client.Action.WaitFor(ctx, append(made.NextActions, made.Action)...))
	server := must(client.Server.GetByName(ctx, "edge"))
	found.Status, found.Country = string(server.Status), server.Location.Country
	found.IPv4 = server.PublicNet.IPv4.IP.Equal(v4.IP)
	found.IPv6 = server.PublicNet.IPv6.Network.String() == v6.Network.String()
	found.Firewalls, found.Volumes = len(server.PublicNet.Firewalls), len(server.Volumes)
	for _, one := range server.PrivateNet {
		found.PrivateIPs = append(found.PrivateIPs, one.IP.String())
	}

	must(client.Server.Update(ctx, server, hcloud.ServerUpdateOpts{Labels: map[string]string{"role": "edge"}}))
	for _, selector := range []string{"role=edge", "role in (new)"} {
		chosen, err := client.Server.AllWithOpts(ctx, hcloud.ServerListOpts{
			ListOpts: hcloud.ListOpts{LabelSelector: selector},
		})
		check(err)
		for _, one := range chosen {
			found.Labelled = append(found.Labelled, selector+": "+one.Name)
		}
	}
	return server, func() {
		check(client.Action.WaitFor(ctx, must(client.Server.DeleteWithResult(ctx, server)).Action))
		for _, drop := range []func() (*hcloud.Response, error){
			func() (*hcloud.Response, error) { return client.PrimaryIP.Delete(ctx, v4) },
			func() (*hcloud.Response, error) { return client.PrimaryIP.Delete(ctx, v6) },
			func() (*hcloud.Response, error) { return client.Firewall.Delete(ctx, firewall) },
			func() (*hcloud.Response, error) { return client.Volume.Delete(ctx, data.Volume) },
			func() (*hcloud.Response, error) { return client.Network.Delete(ctx, lan) },
			func() (*hcloud.Response, error) { return client.SSHKey.Delete(ctx, key) },
		} {
			_, err := drop()
			check(err)
		}
	}
}

// refusals collects the error codes of requests that can't succeed.
func refusals(ctx context.Context, client, stranger *hcloud.Client, server *hcloud.Server, found *seen) {
	_, _, err := client.SSHKey.Create(ctx, hcloud.SSHKeyCreateOpts{Name: "ops", PublicKey: publicKey})
	found.Codes = append(found.Codes, code(err))
	_, _, err = client.PrimaryIP.Create(ctx, hcloud.PrimaryIPCreateOpts{
		Name: "x", Type: hcloud.PrimaryIPTypeIPv4, Location: "moon", AssigneeType: "server",
	})
	found.Codes = append(found.Codes, code(err))
	lock := hcloud.ServerChangeProtectionOpts{Delete: hcloud.Ptr(true), Rebuild: hcloud.Ptr(true)}
	check(client.Action.WaitFor(ctx, must(client.Server.ChangeProtection(ctx, server, lock))))
	_, _, err = client.Server.DeleteWithResult(ctx, server)
	found.Codes = append(found.Codes, code(err))
	lock = hcloud.ServerChangeProtectionOpts{Delete: hcloud.Ptr(false), Rebuild: hcloud.Ptr(false)}
	check(client.Action.WaitFor(ctx, must(client.Server.ChangeProtection(ctx, server, lock))))
	_, _, err = stranger.Server.GetByID(ctx, server.ID)
	found.Codes = append(found.Codes, code(err))
	_, _, err = client.Server.DeleteWithResult(ctx, &hcloud.Server{ID: 9999})
	found.Codes = append(found.Codes, code(err))
	found.Missing = must(client.Server.GetByID(ctx, 9999)) == nil
}

// pages makes more objects than two pages hold, and counts what comes back.
func pages(ctx context.Context, client *hcloud.Client, found *seen) {
	_, whole, err := net.ParseCIDR("10.0.0.0/16")
	check(err)
	for index := range 101 {
		must(client.Network.Create(ctx, hcloud.NetworkCreateOpts{
			Name: fmt.Sprintf("lan-%d", index), IPRange: whole, Labels: map[string]string{"paged": ""},
		}))
	}
	paged := hcloud.NetworkListOpts{ListOpts: hcloud.ListOpts{LabelSelector: "paged"}}
	all, err := client.Network.AllWithOpts(ctx, paged)
	check(err)
	found.Paged = len(all)
	for _, lan := range all {
		_, err := client.Network.Delete(ctx, lan)
		check(err)
	}
}

// names keeps a zone and its records.
func names(ctx context.Context, client *hcloud.Client, found *seen) {
	zone := must(client.Zone.Create(ctx, hcloud.ZoneCreateOpts{Name: "example.com", Mode: hcloud.ZoneModePrimary}))
	check(client.Action.WaitFor(ctx, zone.Action))
	made := must(client.Zone.CreateRRSet(ctx, zone.Zone, hcloud.ZoneRRSetCreateOpts{
		Name: "@", Type: hcloud.ZoneRRSetTypeA, Records: []hcloud.ZoneRRSetRecord{{Value: "203.0.113.1"}},
	}))
	check(client.Action.WaitFor(ctx, made.Action))
	check(client.Action.WaitFor(ctx, must(client.Zone.AddRRSetRecords(ctx, made.RRSet, hcloud.ZoneRRSetAddRecordsOpts{
		Records: []hcloud.ZoneRRSetRecord{{Value: "203.0.113.2"}},
	}))))
	rrset := must(client.Zone.GetRRSetByNameAndType(ctx, zone.Zone, "@", hcloud.ZoneRRSetTypeA))
	for _, record := range rrset.Records {
		found.Records = append(found.Records, record.Value)
	}
	check(client.Action.WaitFor(ctx, must(client.Zone.Delete(ctx, zone.Zone)).Action))
}
