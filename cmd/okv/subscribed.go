package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/management"
)

// errNoSubscription says that neither a flag nor the environment names one.
var errNoSubscription = errors.New("which subscription? Give --subscription, or set AZURE_SUBSCRIPTION_ID")

// subscribed are the flags of the command groups that work in a subscription.
type subscribed struct {
	subscription string
	output       *choice[format]
}

func (s *subscribed) add(group *cobra.Command) {
	group.PersistentFlags().StringVar(&s.subscription, "subscription", "", "`ID` of the subscription (default AZURE_SUBSCRIPTION_ID)")
	s.output = outputFlag(group)
}

// id is the subscription of the flag, or empty.
func (s *subscribed) id() string { return s.subscription }

// client returns the client of the subscription that the flags name.
func (s *subscribed) client(cmd *cobra.Command) (*connection, *management.Client, error) {
	c, client, err := manage(s.subscription)
	if errors.Is(err, errNoSubscription) {
		err = usageError{cmd, err}
	}
	return c, client, err
}

// manage returns the client of a subscription, of the one of the environment if
// that is empty.
func manage(subscription string) (*connection, *management.Client, error) {
	if subscription == "" {
		subscription = os.Getenv("AZURE_SUBSCRIPTION_ID")
	}
	if subscription == "" {
		return nil, nil, errNoSubscription
	}
	c, err := connect()
	if err != nil {
		return nil, nil, err
	}
	client, err := c.manager(subscription)
	return c, client, err
}
