#!/usr/bin/ruby
# What a mail program does, with Ruby's net/pop; `library.py` says with which arguments.
require 'net/pop'
require 'openssl'

channel, host, port, user, login, authority, directory, keep = ARGV
pop = Net::POP3.APOP(login == 'APOP').new(host, port.to_i)
pop.read_timeout = 60
pop.enable_ssl({ ca_file: authority, verify_mode: OpenSSL::SSL::VERIFY_PEER }, nil, port.to_i) if channel == 'TLS'

seen = File.exist?("#{directory}/seen") ? File.readlines("#{directory}/seen", chomp: true) : []
pop.start(user, ENV.fetch('POP3_PASSWORD')) do
  pop.mails.each do |mail|
    unless seen.include?(mail.unique_id)
      File.binwrite(format('%s/texts/%06d', directory, mail.number), mail.pop)
      File.write("#{directory}/seen", "#{mail.unique_id}\n", mode: 'a')
    end
    mail.delete if keep == 'delete'
  end
end
