"""What a user declares: a household, its charger and cars, their drivers, its tariff and series."""
