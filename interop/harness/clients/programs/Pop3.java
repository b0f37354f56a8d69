// What a mail program does, with Jakarta Mail; `library.py` says with which arguments.

import jakarta.mail.FetchProfile;
import jakarta.mail.Flags;
import jakarta.mail.Folder;
import jakarta.mail.Message;
import jakarta.mail.Session;
import jakarta.mail.Store;
import jakarta.mail.UIDFolder;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.HashSet;
import java.util.Properties;
import java.util.Set;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public final class Pop3 {
    public static void main(String[] words) throws Exception {
        String channel = words[0], host = words[1], user = words[3], login = words[4];
        int port = Integer.parseInt(words[2]);
        Path authority = Path.of(words[5]), directory = Path.of(words[6]);
        boolean delete = words[7].equals("delete");

        String protocol = channel.equals("TLS") ? "pop3s" : "pop3";
        String prefix = "mail." + protocol + ".";
        Properties settings = new Properties();
        settings.put(prefix + "timeout", "60000");
        settings.put(prefix + "ssl.socketFactory", trusting(authority).getSocketFactory());
        settings.put(prefix + "ssl.checkserveridentity", "true");
        settings.put(prefix + "starttls.enable", String.valueOf(channel.equals("STLS")));
        settings.put(prefix + "starttls.required", String.valueOf(channel.equals("STLS")));
        settings.put(prefix + "apop.enable", String.valueOf(login.equals("APOP")));
        if (login.equals("PLAIN") || login.equals("XOAUTH2")) {
            settings.put(prefix + "auth.mechanisms", login);
        }
        // What has arrived is asked for by the program, and no message that was not.
        settings.put(prefix + "filecache.enable", "false");

        Store store = Session.getInstance(settings).getStore(protocol);
        store.connect(host, port, user, System.getenv("POP3_PASSWORD"));
        Folder inbox = store.getFolder("INBOX");
        inbox.open(Folder.READ_WRITE);
        Message[] messages = inbox.getMessages();
        FetchProfile ids = new FetchProfile();
        ids.add(UIDFolder.FetchProfileItem.UID);
        inbox.fetch(messages, ids);

        Path seenFile = directory.resolve("seen");
        Set<String> seen = new HashSet<>(Files.exists(seenFile) ? Files.readAllLines(seenFile) : Set.of());
        for (Message message : messages) {
            String id = ((com.sun.mail.pop3.POP3Folder) inbox).getUID(message);
            if (!seen.contains(id)) {
                Path text = directory.resolve("texts").resolve(String.format("%06d", message.getMessageNumber()));
                try (OutputStream out = Files.newOutputStream(text)) {
                    message.writeTo(out);
                }
                Files.writeString(seenFile, id + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            }
            message.setFlag(Flags.Flag.DELETED, delete);
        }
        inbox.close(delete);
        store.close();
    }

    private static SSLContext trusting(Path authority) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream in = Files.newInputStream(authority)) {
            store.setCertificateEntry("authority", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
